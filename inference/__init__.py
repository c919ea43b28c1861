"""Video in, score batches out: decode, detect, track, choose the subject, crop, judge quality, batch, run the bundle.

This room knows nothing of DuckDB, Prefect or settings; whatever it needs comes in as an argument.
"""

import pmfer  # noqa: F401  # before any module here imports ONNX Runtime: it keeps that one from reporting
