-- One bundle with its card.
SELECT *
FROM bundles
WHERE bundle_id = $bundle_id
