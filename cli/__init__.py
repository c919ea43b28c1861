"""The `pmfer` command: options in, one call, printing.

This room may import every other room, and no room imports it. Heavy modules (torch, Prefect, WeasyPrint, DuckDB) are
imported inside the command that needs them, so that `pmfer --help` starts quickly and works without the `train` extra.
"""
