-- Store the rollup of a score batch, registered as score_batch.
INSERT INTO session_rollups BY NAME
FROM session_rollups_of('score_batch')
