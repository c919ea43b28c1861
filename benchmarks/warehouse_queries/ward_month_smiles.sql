-- Smiles of a ward in its last month: how many, how long and how strong, by patient.
SELECT patient_id, count(*) AS smiles, median(end_s - start_s) AS median_s, max(peak) AS strongest
FROM episodes
JOIN active_scorings USING (scoring_id)
WHERE kind = 'smile' AND session_date > (SELECT max(session_date) - 30 FROM sessions)
GROUP BY patient_id
ORDER BY smiles DESC;
