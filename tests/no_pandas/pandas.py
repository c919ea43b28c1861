"""Stands in the way of pandas in the processes that tests start; see other_processes.py."""

raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
