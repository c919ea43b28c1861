"""Synthetic patients: a face drawn from action-unit intensities, sessions and wards with a known truth.

This room knows the vocabulary and nothing of models or DuckDB. It needs no data of anyone.
"""
