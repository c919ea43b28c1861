-- Erasures that were interrupted.
SELECT erasure_id, subject, rows_deleted_at IS NOT NULL AS rows_deleted, CAST(receipt AS VARCHAR) AS receipt
FROM erasures
WHERE finished_at IS NULL
ORDER BY begun_at, erasure_id
