-- The frames of these scorings in which one column is highest, at most one in each window of time.
-- The highest of every scoring comes first, then the second highest of each, and so on.
WITH beginnings AS (
    SELECT scoring_id, min(pts_s) AS first_pts_s
    FROM frame_scores
    WHERE scoring_id IN ($scoring_ids)
    GROUP BY scoring_id
), best_of_windows AS (
    SELECT
        scoring_id,
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
    JOIN beginnings USING (scoring_id)
    WHERE reason IS NULL AND scoring_id IN ($scoring_ids)
    QUALIFY row_number() OVER (
        PARTITION BY scoring_id, floor(session_time_s / $window_s) ORDER BY value DESC, frame_index
    ) = 1
)
SELECT *
FROM best_of_windows
ORDER BY row_number() OVER (PARTITION BY scoring_id ORDER BY value DESC, frame_index), value DESC, scoring_id
LIMIT $count
