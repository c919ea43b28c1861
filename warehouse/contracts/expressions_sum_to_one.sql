-- The eight expressions of a scored frame sum to 1, within the rounding error of eight numbers with three decimals.
SELECT scoring_id, frame_index, neutral + happiness + surprise + sadness + anger + disgust + fear + contempt AS total
FROM frames_to_check
WHERE abs(total - 1) > 0.0041
