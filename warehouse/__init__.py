"""The DuckDB warehouse: connect, migrate, write, publish, query. Migrations, contracts and long queries are .sql files.

This room knows nothing of video, torch or Prefect.
"""
