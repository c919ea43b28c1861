"""Prefect flows, sources, settings (the only reader of the environment) and the `pmfer` command line.

This room may use every other room, and holds no formula, no SQL and no drawing.
"""
