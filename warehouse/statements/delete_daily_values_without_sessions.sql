-- Forget the days of patients of whom no session is left that was scored in the same way.
DELETE FROM daily_values
WHERE NOT EXISTS (
    FROM sessions
    JOIN scorings USING (session_id)
    WHERE sessions.patient_id = daily_values.patient_id
        AND scorings.bundle_id = daily_values.bundle_id
        AND scorings.options_sha256 = daily_values.options_sha256
)
