-- The frames of a scoring in which one column is highest, at most one in each window of time, highest first.
SELECT
    session_id,
    frame_index,
    pts_s - first_pts_s AS session_time_s,
    struct_extract(frames, $column) AS value,
    leading_expression,
    COLUMNS([
        'neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt',
        'au01', 'au02', 'au04', 'au05', 'au06', 'au07', 'au09', 'au10', 'au12', 'au14',
        'au15', 'au16', 'au17', 'au20', 'au23', 'au24', 'au25', 'au26', 'au27', 'au43'
    ])
FROM frames
CROSS JOIN (SELECT min(pts_s) AS first_pts_s FROM frame_scores WHERE scoring_id = $scoring_id)
WHERE scoring_id = $scoring_id AND reason IS NULL
QUALIFY row_number() OVER (PARTITION BY floor(session_time_s / $window_s) ORDER BY value DESC, frame_index) = 1
ORDER BY value DESC, frame_index
LIMIT $count
