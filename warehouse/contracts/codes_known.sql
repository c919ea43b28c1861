-- Kinds, reasons and other codes are known ones; reports of the kind patient name their patient, others do not.
SELECT 'reports' AS table_name, report_id AS id
FROM reports
WHERE kind NOT IN ('patient', 'ward') OR (kind = 'patient') <> (patient_id IS NOT NULL) OR (kind = 'patient' AND ward IS NOT NULL)
UNION ALL
SELECT 'quarantine', quarantine_id
FROM quarantine
WHERE reason NOT IN (
    'sidecar_missing', 'sidecar_invalid', 'sidecar_date_mismatch', 'video_missing', 'no_consent',
    'duplicate_content', 'session_conflict', 'empty_file', 'not_a_video', 'no_video_stream', 'no_frames',
    'truncated', 'encrypted', 'unreadable', 'too_large', 'timed_out', 'out_of_memory', 'crashed'
)
UNION ALL
SELECT 'sessions', session_id
FROM sessions
WHERE situation NOT IN ('at_rest', 'during_care', 'meal', 'therapy')
UNION ALL
SELECT 'daily_values', patient_id
FROM daily_values
WHERE situation NOT IN ('at_rest', 'during_care', 'meal', 'therapy', 'unstated')
UNION ALL
SELECT 'findings', patient_id
FROM findings
WHERE kind NOT IN ('headline', 'phrase', 'context')
    OR state NOT IN ('usual', 'higher', 'lower', 'insufficient')
    OR stage NOT IN ('new', 'open', 'back', 'accepted', 'usual', 'not_compared')
    OR direction NOT IN ('higher', 'lower')
    OR lack NOT IN (
        'no_session', 'all_set_aside', 'too_dark', 'too_bright', 'covered', 'turned_away', 'too_little_seen', 'too_short',
        'too_few_sessions', 'not_measured', 'no_baseline', 'new_situation'
    )
