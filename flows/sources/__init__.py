"""Sources of recordings: how to open them, which sessions a night holds, and which content is already known.

This package knows nothing of scoring, the warehouse's tables or Prefect. Layout of a source: docs/source.md.
"""
