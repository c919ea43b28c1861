"""Prefect flows, sources, privacy operations, monitoring and settings (the only reader of the environment).

This room may import every other room but `cli`. It contains no formulas, no SQL and no drawing.
"""
