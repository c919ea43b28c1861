-- Smile episodes of each scoring of some patients up to a day, by one bundle with one set of options; 0 where there are none.
SELECT scorings.scoring_id, count(episodes.kind) AS smiles
FROM scorings
JOIN sessions USING (session_id)
LEFT JOIN episodes ON episodes.scoring_id = scorings.scoring_id AND episodes.kind = 'smile'
WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[]))) AND session_date <= $until
    AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
GROUP BY scorings.scoring_id
ORDER BY scorings.scoring_id
