"""Stands in the way of pandas in the processes that tests start; see conftest.py."""

raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
