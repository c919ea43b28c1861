-- Store the quantiles of the action units of a score batch, registered as score_batch.
INSERT INTO phrase_quantiles BY NAME
FROM au_quantiles_of('score_batch')
