-- The salted hash of the key that a lake was made with, if there is one.
SELECT key_check
FROM lake_keys
