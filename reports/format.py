"""The forms in which a report can be written. Imports nothing, so that settings can name them at no cost."""

from enum import StrEnum


class Format(StrEnum):
    """One form of a report; docs/reports-formats.md describes each."""

    PDF = "pdf"  # PDF/UA-1, for print
    HTML = "html"  # the same page for the screen, one file
    JSON = "json"  # everything that is printed, as data
    FHIR = "fhir"  # a FHIR R4 bundle with the PDF in it; of patients only
