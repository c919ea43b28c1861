"""Prefect flows, sources, privacy operations, monitoring and settings (the only reader of the environment).

This room may use every other room but `cli`, and holds no formula, no SQL and no drawing.
"""
