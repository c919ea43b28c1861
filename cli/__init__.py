"""The `pmfer` command: options in, one call, printing.

This room may use every other room, and no room uses it. What is heavy to import (torch, Prefect, WeasyPrint, DuckDB) is
imported inside the command that needs it, so that `pmfer --help` starts quickly and works without the `train` extra.
"""
