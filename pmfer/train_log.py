"""The log of a training run: one JSON object per epoch in `metrics.jsonl`.

An epoch's line is written before its checkpoint. A run that is taken up again keeps the lines of the epochs that its
checkpoint holds and forgets the rest, so that an epoch stands there once, whenever the run was killed.
"""

import json
from collections.abc import Mapping
from pathlib import Path

LOG_FILE = "metrics.jsonl"

Row = Mapping[str, float | None]  # `epoch`, losses and accuracies by name; None where there was nothing to measure


def read_log(path: Path) -> list[Row]:
    """The epochs of a log in order, an empty list if there is none.

    A line that is no JSON object with an `epoch` was cut off by a kill and is left out; of an epoch that stands there
    twice the later line counts.
    """
    if not path.exists():
        return []
    rows: dict[int, Row] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            rows[int(row["epoch"])] = row
        except (ValueError, KeyError, TypeError):
            continue
    return [rows[epoch] for epoch in sorted(rows)]


def append_row(path: Path, row: Row) -> None:
    """Add one epoch's line; values are rounded to six significant digits."""
    with path.open("a", encoding="utf-8") as log:
        log.write(_line(row))


def keep_epochs(path: Path, epochs_done: int) -> None:
    """Leave the lines of the first `epochs_done` epochs only; the file is replaced whole or not at all."""
    kept = [row for row in read_log(path) if (row["epoch"] or 0) <= epochs_done]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(_line(row) for row in kept), encoding="utf-8")
    temporary.replace(path)


def _line(row: Row) -> str:
    return json.dumps({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}) + "\n"
