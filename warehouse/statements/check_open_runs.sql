-- Let the contracts look at the frames of those scorings alone whose run has not completed.
-- Copied, so that they are looked for once among all frames and not by each contract.
CREATE OR REPLACE TEMP TABLE open_frames AS
FROM frame_scores
WHERE scoring_id IN (FROM scorings_to_check(false));
CREATE OR REPLACE TEMP TABLE open_extra_scores AS
FROM frame_extra_scores
WHERE scoring_id IN (FROM scorings_to_check(false));
CREATE OR REPLACE TEMP VIEW frames_to_check AS FROM open_frames;
CREATE OR REPLACE TEMP VIEW extra_scores_to_check AS FROM open_extra_scores;
