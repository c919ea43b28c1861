-- The eight expressions of a scored frame sum to 1, within what eight numbers of three decimals allow.
SELECT scoring_id, frame_index, neutral + happiness + surprise + sadness + anger + disgust + fear + contempt AS total
FROM frame_scores
WHERE scoring_id IN (FROM scorings_to_check($everything)) AND abs(total - 1) > 0.0041
