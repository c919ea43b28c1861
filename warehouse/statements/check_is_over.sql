-- Forget which frames the contracts looked at.
DROP VIEW IF EXISTS temp.frames_to_check;
DROP VIEW IF EXISTS temp.extra_scores_to_check;
DROP TABLE IF EXISTS temp.open_frames;
DROP TABLE IF EXISTS temp.open_extra_scores;
