-- The models that made the scores of the export.
FROM bundles
ORDER BY bundle_id
