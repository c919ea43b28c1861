-- Whether the Parquet files of a lake are encrypted.
SELECT bool_or(option_name = 'encrypted' AND value = 'true')
FROM warehouse.options()
