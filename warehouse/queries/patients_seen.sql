-- Patients with a session in the last days up to a date, that date included, with their sessions in that time.
SELECT patient_id, count(*) AS sessions, min(session_date) AS first_date, max(session_date) AS last_date
FROM sessions
WHERE session_date > $until - $days AND session_date <= $until
GROUP BY patient_id
ORDER BY patient_id
