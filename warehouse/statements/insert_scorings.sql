-- Store how the sessions of a batch of results, registered as result_batch, were scored.
INSERT INTO scorings (
    scoring_id, session_id, bundle_id, options_sha256, options, run_id, scored_at, duration_s,
    frames_decoded, frames_sampled, frames_with_face, frames_scored, warning
)
SELECT
    scoring_id, session_id, bundle_id, options_sha256, options, run_id, now(), duration_s,
    frames_decoded, frames_sampled, frames_with_face, frames_scored, warning
FROM result_batch
