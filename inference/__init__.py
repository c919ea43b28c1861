"""Video in, score batches out: decode, detect, track, choose the subject, crop, judge quality, batch, run the bundle.

This room knows nothing of DuckDB, Prefect or settings; whatever it needs comes in as an argument.
"""
