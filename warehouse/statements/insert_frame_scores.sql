-- Store a score batch, registered as score_batch, under its scoring.
INSERT INTO frame_scores BY NAME
SELECT $scoring_id AS scoring_id, *
FROM score_batch
