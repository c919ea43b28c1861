-- One day of the export: a row per session and scoring.
FROM session_summary
WHERE session_date = $day
ORDER BY patient_id, started_at, scoring_id
