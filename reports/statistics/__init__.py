"""The statistics behind a finding, over NumPy arrays that hold many series of daily values at once.

The reports call `control_chart`, which is built on the other modules, and `estimates.day_intervals`, which judges one
day by its sessions. Nothing here knows about patients, dates or words.
"""
