-- A scoring over time: means of all scores in bins of equal length, NULL where no frame of the bin was scored.
SELECT
    -- Rounded first: a time such as 4.9999999 s, left by subtracting, belongs to the bin that starts at 5 s.
    floor(round((pts_s - first_pts_s) / $bin_s, 6)) * $bin_s AS session_time_s,
    count(*) AS frames_sampled,
    count(neutral) AS frames_scored,
    mean_score(COLUMNS([
        'neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt',
        'au01', 'au02', 'au04', 'au05', 'au06', 'au07', 'au09', 'au10', 'au12', 'au14',
        'au15', 'au16', 'au17', 'au20', 'au23', 'au24', 'au25', 'au26', 'au27', 'au43',
        'expressivity', 'pain_activity'
    ]))
FROM frames
CROSS JOIN (SELECT min(pts_s) AS first_pts_s FROM frame_scores WHERE scoring_id = $scoring_id)
WHERE scoring_id = $scoring_id
GROUP BY session_time_s
ORDER BY session_time_s
