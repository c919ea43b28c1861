-- Store the sessions of a batch of results, registered as result_batch, that no bundle or options scored before.
INSERT INTO sessions (
    session_id, patient_id, session_date, started_at, utc_offset_s, source_uri, content_sha256, consent, stored_at
)
SELECT
    session_id, patient_id, session_date, started_at, utc_offset_s, source_uri, content_sha256, consent, now()
FROM result_batch
ANTI JOIN sessions USING (session_id)
