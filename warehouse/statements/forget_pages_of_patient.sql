-- Ward overviews that show a patient who is erased: whom they show, and what they were made from, is not known any more.
UPDATE reports SET shown = NULL, input_key = ''
WHERE kind = 'ward' AND list_contains(string_split(shown, ','), $patient_id)
