"""Reads the warehouse, compares each patient with their own baseline, draws, and renders the PDF.

This room knows nothing of video, torch or Prefect, and never writes to the warehouse.
"""
