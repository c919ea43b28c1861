-- Forget the states of a lake that are older than so many seconds; the latest stays.
CALL ducklake_expire_snapshots('warehouse', older_than => now() - to_seconds($keep_s))
