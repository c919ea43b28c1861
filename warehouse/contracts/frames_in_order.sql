-- A frame is stored once per scoring, and its time is not before that of the previous frame.
SELECT scoring_id, frame_index, pts_s
FROM frames_to_check
WINDOW scoring AS (PARTITION BY scoring_id ORDER BY frame_index, pts_s)
QUALIFY frame_index = lag(frame_index) OVER scoring OR pts_s < lag(pts_s) OVER scoring
