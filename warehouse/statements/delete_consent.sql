-- Take a period of consent out of the register, to put it in anew.
DELETE FROM consents
WHERE patient_id = $patient_id AND valid_from = $valid_from
