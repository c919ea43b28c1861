-- Make the bundle and options of a completed run the active ones, unless they are those of a later night.
MERGE INTO active_bundle
USING (
    SELECT bundle_id, options_sha256, night, finished_at AS activated_at
    FROM runs
    WHERE run_id = $run_id AND status = 'completed'
) AS run
ON true
WHEN MATCHED AND run.night >= active_bundle.night
    THEN UPDATE SET
        bundle_id = run.bundle_id,
        options_sha256 = run.options_sha256,
        night = run.night,
        activated_at = CASE
            WHEN (run.bundle_id, run.options_sha256) = (active_bundle.bundle_id, active_bundle.options_sha256)
                THEN active_bundle.activated_at
            ELSE run.activated_at
        END
WHEN NOT MATCHED THEN INSERT BY NAME
