-- The bundle and options that views speak of.
SELECT bundle_id, options_sha256
FROM active_bundle
