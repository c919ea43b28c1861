"""Sources of recordings: where they lie, which sessions a night holds, what is known of their content.

Knows nothing of scoring, the warehouse's tables or Prefect. Layout of a source: docs/source.md.
"""
