-- Forget what was set aside of nights before a day.
DELETE FROM quarantine
WHERE night < $day
