-- Remember by which key a lake's score batches and exports are encrypted.
INSERT INTO lake_keys (key_check)
VALUES ($key_check)
