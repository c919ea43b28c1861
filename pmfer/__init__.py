"""The method: action units and phrases, prompts, encoders, losses, data sets, training, evaluation and export.

`facs`, `expressions`, `errors` and `bundle` are plain Python and import without torch; everything else here needs the
`train` extra. This room knows nothing of videos, DuckDB or Prefect.
"""

import os

# ONNX Runtime from 1.29 on reports models, timings and an identifier of the machine to its maker, and keeps what it
# cannot send in ~/.cache/Microsoft. Only this, set before it is first imported, prevents both (Privacy.md in its
# package); hence at import, and here, where every room passes on its way to it.
os.putenv("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
