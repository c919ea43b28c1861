-- Store the scores of additional phrases, registered as score_batch in long form.
INSERT INTO frame_extra_scores BY NAME
FROM score_batch
