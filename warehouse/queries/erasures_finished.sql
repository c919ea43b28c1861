-- The receipts of all finished erasures, with the UTC day on which each was finished.
SELECT erasure_id, strftime(finished_at, '%Y-%m-%d') AS finished_on, CAST(receipt AS VARCHAR) AS receipt
FROM erasures
WHERE finished_at IS NOT NULL
ORDER BY finished_at, erasure_id
