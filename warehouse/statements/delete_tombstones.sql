-- Take marks away.
DELETE FROM tombstones
WHERE list_contains(CAST($marks AS VARCHAR[]), mark)
