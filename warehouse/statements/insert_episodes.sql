-- Store the episodes of a score batch, registered as score_batch.
INSERT INTO episodes BY NAME
FROM episodes_of('score_batch')
