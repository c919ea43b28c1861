-- One day of the export: every frame, in an order in which its columns compress well.
FROM frames
WHERE session_date = $day
ORDER BY patient_id, started_at, scoring_id, frame_index
