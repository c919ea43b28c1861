"""Whether a source is still the one it was: an empty mount point, or another disk in its place, is not the source."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from pmfer.errors import ConfigurationError


class SourceGoneError(ConfigurationError):
    """The source is not there, or something else is in its place; it may come back."""


@dataclass(frozen=True)
class Sighting:
    """What a source was when it was looked at."""

    device: int | None = None  # number of a folder's file system; None: on a server, which has none, or never looked at
    nights: frozenset[date] = frozenset()  # those that it holds

    def lost(self, now: "Sighting") -> str | None:
        """Why a later sighting is not one of the same source, in words; None if it may be."""
        if self.device is not None and now.device != self.device:
            return "another file system is in its place"
        if self.nights and not self.nights & now.nights:
            return "it holds none of the nights that it held"
        return None

    def require_nights_of(self, known: Collection[date], source: object, night: date) -> None:
        """Refuse an empty mount point, or another folder in the place of the source.

        A house that removes old recordings has a source without the nights that are known, but with later ones. One
        that nothing is known of, because it is new, may be empty.

        Args:
            known: nights that recordings were taken from, as the warehouse knows them.
            source: what to call it.
            night: that a folder may be made of, to say that the source is meant to be empty.

        Raises:
            SourceGoneError: it holds none of the nights that are known, and no later one.
        """
        if known and not any(held in known or held > max(known) for held in self.nights):
            what = "is empty" if not self.nights else "holds none of the nights that were scored, nor a later one"
            raise SourceGoneError(
                f"source {source}: {what}, and the warehouse has recordings up to {max(known)}; mount it, or if it is "
                f"meant to be so, make the folder {night} in it"
            )
