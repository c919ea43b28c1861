-- Write down how far an erasure has come; a time that is set already stays.
UPDATE erasures
SET receipt = $receipt,
    rows_deleted_at = coalesce(rows_deleted_at, CASE WHEN $rows_deleted THEN now() END),
    finished_at = coalesce(finished_at, CASE WHEN $finished THEN now() END)
WHERE erasure_id = $erasure_id
