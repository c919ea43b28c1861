"""Sources of recordings: where they lie, which sessions a night holds, what is known of their content.

Knows nothing of scoring, the warehouse's tables or Prefect. Layout of a source: docs/source.md.
"""

from flows.sources.discovery import list_night, list_nights, look_at
from flows.sources.listing import NightListing, Recording, Rejection, Source, Unready
from flows.sources.location import SourceAccess, SourceReadError
from flows.sources.manifest import MANIFEST
from flows.sources.sidecar import MAX_SIDECAR_BYTES, Identifier, Sidecar
from flows.sources.sighting import Sighting, SourceGoneError

__all__ = [
    "MANIFEST",
    "MAX_SIDECAR_BYTES",
    "Identifier",
    "NightListing",
    "Recording",
    "Rejection",
    "Sidecar",
    "Sighting",
    "Source",
    "SourceAccess",
    "SourceGoneError",
    "SourceReadError",
    "Unready",
    "list_night",
    "list_nights",
    "look_at",
]
