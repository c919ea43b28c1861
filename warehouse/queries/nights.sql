-- The latest run of each of the last nights, newest night first, with what is stored of the night.
WITH latest AS (
    SELECT night, started_at, finished_at, status, sessions_found, bundle_id, options_sha256, message
    FROM runs
    QUALIFY row_number() OVER (PARTITION BY night ORDER BY started_at DESC, run_id) = 1
), shown AS (
    SELECT * FROM latest
    WHERE $night IS NULL OR night = $night
    ORDER BY night DESC
    LIMIT $limit
), scored AS (
    SELECT
        session_date AS night,
        bundle_id,
        options_sha256,
        count(*) AS sessions_stored,
        sum(duration_s) AS video_s,
        CAST(sum(frames_sampled) AS BIGINT) AS frames_sampled,
        CAST(sum(scorings.frames_scored) AS BIGINT) AS frames_scored
    FROM scorings
    JOIN sessions USING (session_id)
    GROUP BY ALL
), set_aside AS (
    SELECT night, count(*) AS sessions_set_aside FROM quarantine GROUP BY night
), printed AS (
    SELECT report_date AS night, count(*) AS reports FROM reports GROUP BY report_date
)
SELECT
    night,
    status,
    started_at,
    finished_at,
    epoch(finished_at - started_at) AS run_s,
    sessions_found,
    coalesce(sessions_stored, 0) AS sessions_stored,
    coalesce(sessions_set_aside, 0) AS sessions_set_aside,
    coalesce(frames_sampled, 0) AS frames_sampled,
    coalesce(scored.frames_scored, 0) AS frames_scored,
    CASE WHEN frames_sampled > 0 THEN 1 - scored.frames_scored / frames_sampled END AS abstention_share,
    video_s,
    coalesce(reports, 0) AS reports,
    message
FROM shown
LEFT JOIN scored USING (night, bundle_id, options_sha256)
LEFT JOIN set_aside USING (night)
LEFT JOIN printed USING (night)
ORDER BY night DESC
