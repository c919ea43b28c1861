"""Video in, score batches out: decode, detect, track, choose the subject, crop, judge quality, batch, run the bundle.

This package knows nothing of DuckDB, Prefect or settings; everything it needs is passed in as an argument.
"""

import pmfer  # noqa: F401  # must come before any import of ONNX Runtime: it disables ONNX Runtime's telemetry
