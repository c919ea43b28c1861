"""The method: action units and phrases, prompts, encoders, losses, data sets, training, evaluation and export.

`facs`, `expressions`, `errors` and `bundle` are plain Python and import without torch; everything else here needs the
`train` extra. This room knows nothing of videos, DuckDB or Prefect.
"""

__version__ = "0.1.0"
