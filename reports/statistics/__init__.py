"""The statistics behind a finding, as plain functions over NumPy arrays: many series of daily values at once.

`control_chart` is what the reports call; it rests on `baseline` and `estimates`, which also judges one day by its
sessions. Nothing here knows patients, dates or words.
"""
