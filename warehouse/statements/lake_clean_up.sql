-- Delete the files that no state of a lake needs any more.
CALL ducklake_cleanup_old_files('warehouse', cleanup_all => true)
