-- Nothing is stored about the faces of other people except their number.
SELECT scoring_id, frame_index
FROM frames_to_check
WHERE NOT is_subject
    AND coalesce(
        box_x_px, box_y_px, box_w_px, box_h_px, detection_score, sharpness, brightness, face_size_px,
        yaw_deg, pitch_deg, roll_deg, occlusion
    ) IS NOT NULL
