-- The quality of every night of a year.
FROM night_quality
ORDER BY night;
