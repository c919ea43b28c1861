-- Store a score batch, registered as score_batch.
INSERT INTO stored_frames BY NAME
FROM score_batch
