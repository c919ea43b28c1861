-- A ward's last month: each patient's expressivity and quality of data, and how that compares with the patient's month before.
WITH latest AS (SELECT max(session_date) AS day FROM sessions)
SELECT
    patient_id,
    avg(expressivity_mean) FILTER (session_date > day - 30) AS expressivity,
    avg(expressivity_mean) FILTER (session_date > day - 30)
        - avg(expressivity_mean) FILTER (session_date <= day - 30) AS change,
    min(scored_share) AS worst_scored_share
FROM patient_days
CROSS JOIN latest
WHERE session_date > day - 60
GROUP BY patient_id
ORDER BY change;
