-- Delete the files that no state of a lake has needed for so many seconds.
CALL ducklake_cleanup_old_files('warehouse', older_than => now() - to_seconds($keep_s))
