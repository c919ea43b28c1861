"""Reads the warehouse, compares each patient with their own baseline, draws, and renders the PDF.

This room knows nothing of video, torch or Prefect, and never writes to the warehouse.
"""

from enum import StrEnum


class Format(StrEnum):
    """One form of a report; docs/reports.md describes each. Here, so that settings can name it at no cost."""

    PDF = "pdf"  # PDF/UA-1, for print
    HTML = "html"  # the same page for the screen, one file
    JSON = "json"  # everything that is printed, as data
    FHIR = "fhir"  # a FHIR R4 bundle with the PDF in it; of patients only
