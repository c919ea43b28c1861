-- Kinds and reasons are from their closed lists, and a report is of a patient exactly when it is of that kind.
SELECT 'reports' AS table_name, report_id AS id
FROM reports
WHERE kind NOT IN ('patient', 'ward') OR (kind = 'patient') <> (patient_id IS NOT NULL)
UNION ALL
SELECT 'quarantine', quarantine_id
FROM quarantine
WHERE reason NOT IN (
    'sidecar_missing', 'sidecar_invalid', 'sidecar_date_mismatch', 'video_missing', 'no_consent',
    'duplicate_content', 'session_conflict', 'empty_file', 'not_a_video', 'no_video_stream', 'no_frames',
    'truncated', 'encrypted', 'unreadable', 'too_large', 'timed_out', 'out_of_memory', 'crashed'
)
