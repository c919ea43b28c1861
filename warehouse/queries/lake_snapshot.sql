-- The latest state of a lake, by its number.
SELECT id
FROM warehouse.current_snapshot()
