-- The migrations that ran, with the hash of the file each ran from.
SELECT number, sha256
FROM schema_migrations
ORDER BY number
