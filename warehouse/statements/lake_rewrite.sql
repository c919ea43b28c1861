-- Write files of a lake again without the rows that were deleted from them.
CALL ducklake_rewrite_data_files('warehouse', delete_threshold => 0)
