-- An episode does not end before it begins, lies within its session, is strong enough, and overlaps no other of its kind.
SELECT scoring_id, kind, start_s
FROM episodes
LEFT JOIN scorings USING (scoring_id)
WINDOW one_kind AS (PARTITION BY scoring_id, kind ORDER BY start_s)
QUALIFY kind NOT IN ('smile', 'brow_lowering', 'eyes_closed', 'pain_activity')
    OR start_s < 0
    OR end_s < start_s
    OR end_s > duration_s + 0.001
    OR frames < 2
    OR NOT (mean >= CASE kind WHEN 'eyes_closed' THEN 0.3 ELSE 0.5 END AND mean <= peak + 1e-6 AND peak <= 1)
    OR start_s <= lag(end_s) OVER one_kind
