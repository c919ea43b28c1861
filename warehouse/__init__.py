"""The DuckDB warehouse: connect, migrate, write, publish, query. SQL lives in .sql files.

This room knows nothing of video, torch or Prefect.
"""
