"""Sources of recordings: where they lie, which sessions a night holds, what is known of their content.

Knows nothing of scoring, the warehouse's tables or Prefect. Layout of a source: docs/source.md.
"""

from flows.sources.discovery import list_night
from flows.sources.location import SourceAccess, SourceReadError
from flows.sources.recordings import Digests, NightListing, QuarantinedSession, Recording, Unready
from flows.sources.sidecar import MANIFEST, MAX_SIDECAR_BYTES, Identifier, Sidecar
from flows.sources.source import Source, SourceGoneError, SourceState, list_nights, look_at

__all__ = [
    "MANIFEST",
    "MAX_SIDECAR_BYTES",
    "Digests",
    "Identifier",
    "NightListing",
    "QuarantinedSession",
    "Recording",
    "Sidecar",
    "Source",
    "SourceAccess",
    "SourceGoneError",
    "SourceReadError",
    "SourceState",
    "Unready",
    "list_night",
    "list_nights",
    "look_at",
]
