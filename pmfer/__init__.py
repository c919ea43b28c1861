"""PMFER: score facial expressions and action-unit phrases in videos. docs/python.md shows how to use it.

    import pmfer

    frames = pmfer.score("clip.mp4")
    for frames in pmfer.score(["a.mp4", "b.mp4"]): ...
    with pmfer.open_warehouse("var/pmfer") as warehouse: ...

The modules of this package are the method: action units and phrases, prompts, encoders, losses, data sets, training,
evaluation and export. `facs`, `expressions`, `errors` and `bundle` are plain Python; training and export need the
`train` extra. None of them knows about videos, DuckDB or Prefect.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.door import score
    from inference.options import ScoringOptions
    from inference.score import Scorer
    from pmfer.bundle import load_bundle
    from warehouse.reader import open_warehouse

__all__ = ["Scorer", "ScoringOptions", "__version__", "load_bundle", "open_warehouse", "score"]

# ONNX Runtime from 1.29 on reports models, timings and an identifier of the machine to its maker, and stores what it
# cannot send in ~/.cache/Microsoft. Only this variable, set before ONNX Runtime is first imported, prevents both
# (Privacy.md in its package). So it is set at import time, in the package that everything else imports.
os.putenv("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

# The modules of the public names, imported on first use: code that only needs the vocabulary must not wait for a
# decoder, and an import at once would be circular.
_PUBLIC = {
    "Scorer": "inference.score",
    "ScoringOptions": "inference.options",
    "load_bundle": "pmfer.bundle",
    "open_warehouse": "warehouse.reader",
    "score": "inference.door",
}


if not TYPE_CHECKING:  # a type checker knows the names from above, and must report any other name

    def __getattr__(name: str) -> Any:
        """Import a public name on first use."""
        if name not in _PUBLIC:
            raise AttributeError(f"module 'pmfer' has no attribute '{name}'")
        return getattr(importlib.import_module(_PUBLIC[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_PUBLIC})
