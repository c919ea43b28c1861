-- Store the scores of additional phrases, registered as score_batch in long form, under their scoring.
INSERT INTO frame_extra_scores BY NAME
SELECT $scoring_id AS scoring_id, *
FROM score_batch
