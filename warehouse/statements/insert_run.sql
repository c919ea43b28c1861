-- Record that a run started, unless there is one of that name.
INSERT INTO runs (run_id, night, started_at, status, code_version, bundle_id, options_sha256, options)
SELECT $run_id, $night, now(), 'running', $code_version, $bundle_id, $options_sha256, $options
WHERE NOT EXISTS (FROM runs WHERE run_id = $run_id)
