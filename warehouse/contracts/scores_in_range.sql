-- Every score of a frame is a number within 0..1.
SELECT scoring_id, frame_index
FROM frames_to_check
-- NaN counts as greater than any number.
WHERE
    greatest(
        neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, au01, au02, au04, au05, au06,
        au07, au09, au10, au12, au14, au15, au16, au17, au20, au23, au24, au25, au26, au27, au43
    ) > 1
    OR least(
        neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, au01, au02, au04, au05, au06,
        au07, au09, au10, au12, au14, au15, au16, au17, au20, au23, au24, au25, au26, au27, au43
    ) < 0
UNION ALL
SELECT scoring_id, frame_index
FROM extra_scores_to_check
WHERE NOT score BETWEEN 0 AND 1
