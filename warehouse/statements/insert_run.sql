-- Record that a run started.
INSERT INTO runs (run_id, night, started_at, status, code_version, bundle_id, options_sha256, options)
VALUES ($run_id, $night, now(), 'running', $code_version, $bundle_id, $options_sha256, $options)
