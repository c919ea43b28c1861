-- A session is stored only with consent, and under the local day on which it began.
SELECT session_id
FROM sessions
WHERE NOT consent
    OR session_date <> CAST(make_timestamp(epoch_us(started_at) + CAST(utc_offset_s AS BIGINT) * 1000000) AS DATE)
    OR abs(utc_offset_s) > 86400
