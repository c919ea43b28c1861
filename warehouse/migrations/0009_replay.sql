-- Quarantine can be tried again on demand, and knows what files from outside can do to a decoder.

ALTER TABLE quarantine ADD COLUMN replay_asked_at TIMESTAMPTZ;
COMMENT ON COLUMN quarantine.replay_asked_at IS 'When somebody asked to try the same file again; NULL once the next run of the night did, and where nobody asked.';
COMMENT ON COLUMN quarantine.reason IS 'sidecar_missing, sidecar_invalid, sidecar_date_mismatch, video_missing, no_consent, duplicate_content, session_conflict, empty_file, not_a_video, no_video_stream, no_frames, truncated, unreadable, too_large, timed_out, out_of_memory or crashed.';
