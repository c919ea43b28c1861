-- A ward overview knows whom it shows, so that an erasure need not guess it from how pages are made.
ALTER TABLE reports ADD COLUMN shown VARCHAR;
COMMENT ON COLUMN reports.shown IS 'Pseudonyms on the ward overview, with commas between, empty for nobody; NULL where that is not known, and for the report of one patient.';

-- Of overviews that there are it follows from the four weeks that they look back on, if those are still on record.
UPDATE reports SET shown = seen.patients
FROM (
    SELECT ward.report_id, string_agg(DISTINCT who.patient_id, ',') AS patients
    FROM reports AS ward
    JOIN (
        SELECT patient_id, session_date AS first_day, session_date + 27 AS last_day FROM sessions
        UNION ALL
        SELECT patient_id, night, night FROM quarantine WHERE patient_id IS NOT NULL
        UNION ALL
        SELECT patient_id, report_date, report_date FROM reports WHERE kind = 'patient'
    ) AS who ON ward.report_date BETWEEN first_day AND last_day
    WHERE ward.kind = 'ward' AND (
        ward.report_date - 27 >= (SELECT min(session_date) FROM sessions)
        OR NOT EXISTS (FROM audit_log WHERE action = 'retention_applied')
    )
    GROUP BY ward.report_id
) AS seen
WHERE reports.report_id = seen.report_id;
