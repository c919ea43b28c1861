-- A frame has either a known reason and no scores, or every expression, and every phrase unless the face is covered.
SELECT scoring_id, frame_index, reason
FROM frames_to_check
WHERE
    CASE
        WHEN reason IS NULL THEN
            NOT is_subject
            OR (neutral + happiness + surprise + sadness + anger + disgust + fear + contempt) IS NULL
            OR (
                occlusion IS NULL
                AND (au01 + au02 + au04 + au05 + au06 + au07 + au09 + au10 + au12 + au14
                    + au15 + au16 + au17 + au20 + au23 + au24 + au25 + au26 + au27 + au43) IS NULL
            )
        ELSE
            reason NOT IN ('no_face', 'not_subject', 'too_small', 'too_dark', 'too_bright', 'too_blurred', 'covered')
            OR coalesce(
                neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, au01, au02, au04, au05,
                au06, au07, au09, au10, au12, au14, au15, au16, au17, au20, au23, au24, au25, au26, au27, au43,
                pain_activity
            ) IS NOT NULL
    END
    OR (face_count = 0) <> (reason IS NOT DISTINCT FROM 'no_face')
