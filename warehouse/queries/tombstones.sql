-- The marks of those who were erased, or of their consents.
SELECT mark
FROM tombstones
WHERE kind = $kind
