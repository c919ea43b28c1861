-- Register a bundle that is used for the first time.
INSERT INTO bundles (bundle_id, name, weights_sha256, prompt_set_sha256, card, registered_at)
SELECT $bundle_id, $name, $weights_sha256, $prompt_set_sha256, $card, now()
WHERE NOT EXISTS (FROM bundles WHERE bundle_id = $bundle_id)
