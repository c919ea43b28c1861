-- An encrypted recording has a reason of its own.

COMMENT ON COLUMN quarantine.reason IS 'sidecar_missing, sidecar_invalid, sidecar_date_mismatch, video_missing, no_consent, duplicate_content, session_conflict, empty_file, not_a_video, no_video_stream, no_frames, truncated, encrypted, unreadable, too_large, timed_out, out_of_memory or crashed.';
