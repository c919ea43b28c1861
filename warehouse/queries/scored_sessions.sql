-- Which of these sessions have a scoring by a bundle and options, and the run that stored it.
SELECT session_id, source_uri, content_sha256, run_id, frames_sampled, frames_with_face, frames_scored
FROM scorings
JOIN sessions USING (session_id)
WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
  AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
ORDER BY session_id
