-- A finding gives a reason exactly if nothing was compared; a flag does not close before it opens; no range is reversed.
SELECT patient_id, session_date, measure
FROM findings
WHERE (lack IS NOT NULL) <> (state = 'insufficient')
    OR (stage IN ('new', 'open', 'back') AND opened_on IS NULL)
    OR (stage = 'back' AND closed_on IS NULL)
    OR (opened_on IS NULL) <> (direction IS NULL)
    OR opened_on > session_date
    OR closed_on NOT BETWEEN opened_on AND session_date
    OR onset_from > onset_to
    OR usual_low > usual_high
    OR limit_low > limit_high
    OR least(baseline_days, days_open) < 0
UNION ALL
SELECT patient_id, from_date, measure
FROM accepted_levels
WHERE note = '' OR undone_at < accepted_at
