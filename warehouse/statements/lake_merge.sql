-- Merge the small files of a lake that lie side by side.
CALL ducklake_merge_adjacent_files('warehouse')
