-- A patient's year, day by day: smiles, expressivity and pain-related facial activity beside their means over four weeks.
SELECT
    session_date, happiness_share, expressivity_mean, pain_activity_mean, smiles,
    avg(expressivity_mean) OVER four_weeks AS expressivity_four_weeks,
    avg(pain_activity_mean) OVER four_weeks AS pain_activity_four_weeks
FROM patient_days
WHERE patient_id = 'patient-000'
WINDOW four_weeks AS (ORDER BY session_date RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW)
ORDER BY session_date;
