"""PMFER: facial expressions and action-unit phrases, from a video to a table. docs/python.md shows how to use it.

    import pmfer

    frames = pmfer.score("clip.mp4")
    for frames in pmfer.score(["a.mp4", "b.mp4"]): ...
    with pmfer.open_warehouse("var/pmfer") as warehouse: ...

The modules of this room are the method: action units and phrases, prompts, encoders, losses, data sets, training,
evaluation and export. `facs`, `expressions`, `errors` and `bundle` are plain Python; training and export need the
`train` extra. They know nothing of videos, DuckDB or Prefect.
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

# ONNX Runtime from 1.29 on reports models, timings and an identifier of the machine to its maker, and keeps what it
# cannot send in ~/.cache/Microsoft. Only this, set before it is first imported, prevents both (Privacy.md in its
# package); hence at import, and here, where every room passes on its way to it.
os.putenv("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

# Where the public names live. They are imported when they are first used: whoever needs the vocabulary alone must not
# wait for a decoder, and the rooms that have them import this one.
_DOORS = {
    "Scorer": "inference.score",
    "ScoringOptions": "inference.options",
    "load_bundle": "pmfer.bundle",
    "open_warehouse": "warehouse.reader",
    "score": "inference.door",
}


if not TYPE_CHECKING:  # a type checker knows the names from above, and must not take any other for one

    def __getattr__(name: str) -> Any:
        """A public name, imported when it is first used."""
        if name not in _DOORS:
            raise AttributeError(f"module 'pmfer' has no attribute '{name}'")
        return getattr(importlib.import_module(_DOORS[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_DOORS})
