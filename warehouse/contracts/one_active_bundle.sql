-- One bundle is active at most, and it is that of a completed run of the latest night that has one.
SELECT bundle_id, night
FROM active_bundle
QUALIFY count(*) OVER () > 1
    OR (bundle_id, options_sha256, night) NOT IN (
        SELECT (bundle_id, options_sha256, night)
        FROM runs
        WHERE status = 'completed' AND night = (SELECT max(night) FROM runs WHERE status = 'completed')
    )
