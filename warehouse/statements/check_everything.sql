-- Let the contracts look at the frames of all scorings.
CREATE OR REPLACE TEMP VIEW frames_to_check AS FROM frame_scores;
CREATE OR REPLACE TEMP VIEW extra_scores_to_check AS FROM frame_extra_scores;
