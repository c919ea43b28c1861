-- Ask to try again what was set aside for want of a consent of a patient.
UPDATE quarantine SET replay_asked_at = now()
WHERE patient_id = $patient_id AND reason = 'no_consent' AND replay_asked_at IS NULL
