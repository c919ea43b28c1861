-- Counts, positions, sizes and angles of a frame lie within their ranges.
SELECT scoring_id, frame_index
FROM frames_to_check
WHERE
    frame_index < 0
    OR NOT isfinite(pts_s)
    OR face_count < 0
    OR least(box_w_px, box_h_px, face_size_px, sharpness, detection_score, brightness, occlusion, pain_activity) < 0
    OR greatest(detection_score, brightness, occlusion, pain_activity) > 1
    OR greatest(abs(yaw_deg), abs(pitch_deg), abs(roll_deg)) > 180
