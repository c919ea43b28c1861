"""Synthetic patients: a face drawn from action-unit intensities, sessions and wards with a known truth.

It imports only the vocabulary, no models and no DuckDB, and needs nobody's data.
"""
