-- Store the quantiles of additional phrases, registered as score_batch in long form.
INSERT INTO phrase_quantiles BY NAME
FROM phrase_quantiles_of('score_batch')
