-- At most one bundle is active, and it is that of a completed run of the latest night with a completed run.
SELECT bundle_id, night
FROM active_bundle
QUALIFY count(*) OVER () > 1
    OR (bundle_id, options_sha256, night) NOT IN (
        SELECT (bundle_id, options_sha256, night)
        FROM runs
        WHERE status = 'completed' AND night = (SELECT max(night) FROM runs WHERE status = 'completed')
    )
