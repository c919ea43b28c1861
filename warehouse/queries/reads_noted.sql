-- Where a log of reads ended whenever the audit log took note of it.
SELECT
    CAST(json_extract_string(details, '$.entries') AS BIGINT) AS entries,
    json_extract_string(details, '$.sha256') AS sha256
FROM audit_log
WHERE action = 'reads_noted' AND json_extract_string(details, '$.place') = $place
ORDER BY entry
