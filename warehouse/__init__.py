"""The DuckDB warehouse: connect, migrate, write, publish, query. Migrations, contracts and long queries are .sql files.

This room does not use video, torch or Prefect.
"""
