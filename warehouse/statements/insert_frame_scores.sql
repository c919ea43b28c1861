-- Store a score batch, registered as score_batch.
INSERT INTO frame_scores BY NAME
FROM score_batch
