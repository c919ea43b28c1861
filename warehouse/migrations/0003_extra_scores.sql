-- Scores of phrases that a bundle has beside the action units.
-- Their number and names differ from bundle to bundle, so they are rows, not columns.

CREATE TABLE frame_extra_scores (
    scoring_id  VARCHAR NOT NULL,
    session_id  VARCHAR NOT NULL,
    frame_index INTEGER NOT NULL,
    phrase_key  VARCHAR NOT NULL,
    score       FLOAT NOT NULL
);
COMMENT ON TABLE frame_extra_scores IS 'One row per scored frame and additional phrase of its bundle: phrases that a user added at export, beside the action units. A frame without scores has no row here; frame_scores says why.';
COMMENT ON COLUMN frame_extra_scores.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN frame_extra_scores.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN frame_extra_scores.frame_index IS 'Number of the frame in decode order, from 0, as in frame_scores.';
COMMENT ON COLUMN frame_extra_scores.phrase_key IS 'Key of the phrase; its wording, and whether training has seen it, are in au_phrases of the bundle''s card.';
COMMENT ON COLUMN frame_extra_scores.score IS 'Alignment of the face with the phrase, 0..1, independent of the others.';
