-- A period of consent does not end before it begins.
SELECT patient_id, valid_from
FROM consents
WHERE valid_to < valid_from
