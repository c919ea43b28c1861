"""Reads the warehouse, compares each patient with their own baseline, draws the charts and renders the PDF.

This package knows nothing of video, torch or Prefect, and never writes to the warehouse.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LONGEST_NAME = 100  # characters of a patient's name: the name map refuses a longer one, and a page cuts it


class Format(StrEnum):
    """A file format for reports; see docs/reports.md. Defined here so that the settings can import it cheaply."""

    PDF = "pdf"  # PDF/UA-1, for printing
    HTML = "html"  # the same pages for the screen, in one file
    JSON = "json"  # everything that is printed, as data
    FHIR = "fhir"  # a FHIR R4 bundle that contains the PDF; patients only


@dataclass(frozen=True)
class Printed:
    """When a page is printed, and whether for the first time, so that nobody goes by the wrong one of two prints."""

    at: datetime  # in the facility's time zone
    again: bool = False  # whether it replaces an earlier print of the same report
