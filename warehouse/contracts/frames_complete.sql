-- A scoring has as many frames as it states, unless they were deleted after their retention period.
WITH counted AS (
    SELECT
        scoring_id,
        count(*) AS frames_sampled,
        count(*) FILTER (face_count > 0) AS frames_with_face,
        count(neutral) AS frames_scored
    FROM frames_to_check
    GROUP BY scoring_id
),
retention AS (
    SELECT max(CAST(details ->> '$.today' AS DATE) - CAST(details ->> '$.days.frames' AS INTEGER)) AS first_day
    FROM audit_log
    WHERE action = 'retention_applied'
)
SELECT
    scoring_id,
    scorings.frames_sampled AS frames_stated,
    coalesce(counted.frames_sampled, 0) AS frames_found
FROM scorings
JOIN sessions USING (session_id)
LEFT JOIN counted USING (scoring_id)
CROSS JOIN retention
WHERE scoring_id IN (FROM scorings_to_check($everything))
    AND (
        (counted.frames_sampled, counted.frames_with_face, counted.frames_scored)
        IS DISTINCT FROM (scorings.frames_sampled, scorings.frames_with_face, scorings.frames_scored)
    )
    AND NOT (counted.scoring_id IS NULL AND coalesce(session_date < first_day, false))
