-- What is set aside now, of some days, for one reason, or (NULL) whatever.
SELECT *
FROM quarantine
WHERE (CAST($since AS DATE) IS NULL OR night >= $since)
    AND (CAST($until AS DATE) IS NULL OR night <= $until)
    AND (CAST($reason AS VARCHAR) IS NULL OR reason = $reason)
ORDER BY night, source_uri
