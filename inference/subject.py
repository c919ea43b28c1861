"""Whose session it is: the face that dominates the recording, and the tracks that are the same person coming back."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from inference.faces import Floats
from inference.track import steps

MAX_RETURN_STEP = 0.5  # how far from its last place a face may return, as `track.steps` measures it
BOX = ("box_x_px", "box_y_px", "box_w_px", "box_h_px")


@dataclass(frozen=True)
class Subject:
    """The tracks that are the session's subject."""

    tracks: tuple[int, ...]  # in order of time; empty if no face was seen
    rival_share: float  # prominence of the most prominent other track, relative to the subject's; 0 without others


@dataclass(frozen=True)
class _Track:
    """One track as a whole."""

    number: int
    prominence: float
    first_s: float
    last_s: float
    first_box: Floats  # [4], pixels
    last_box: Floats  # [4], pixels


NOBODY = Subject((), 0.0)


def choose_subject(sightings: pl.DataFrame, relink_gap_s: float) -> Subject:
    """Choose the subject from all sightings of all faces.

    A sighting counts with the face's size (side, not area, so that a visitor who leans in does not outweigh the
    patient), the detector's certainty and the share of the box inside the picture; sampled frames stand for equal time.
    The track with the largest sum is the subject. Another track is linked to it if it begins (or ends) within
    `relink_gap_s` of where a track of the subject ended (or began), in almost the same place and size, and if both are
    never seen at once. A person who comes back elsewhere stays unscored: without recognising faces, that is the safe
    mistake. Somebody else who takes exactly the subject's place within that time would be taken for the subject.

    Args:
        sightings: columns `pts_s`, `track_id`, `prominence`, and the box columns; one row per face of a sampled frame,
            in order of time.
        relink_gap_s: longest absence to bridge, seconds.
    """
    if sightings.is_empty():
        return NOBODY
    tracks = _tracks(sightings)
    main = max(tracks, key=lambda track: (track.prominence, -track.number))
    linked = [main]
    others = [track for track in tracks if track is not main]
    while returns := [(gap, track.number, track) for track in others if (gap := _gap_s(track, linked, relink_gap_s))]:
        _, _, nearest = min(returns, key=lambda candidate: candidate[:2])
        linked.append(nearest)
        others.remove(nearest)
    prominence = sum(track.prominence for track in linked)
    rival = max((track.prominence for track in others), default=0.0)
    linked.sort(key=lambda track: track.first_s)
    return Subject(tuple(track.number for track in linked), rival / prominence if prominence > 0 else 0.0)


def _tracks(sightings: pl.DataFrame) -> list[_Track]:
    """The tracks of a session, in order of their numbers."""
    spans = sightings.group_by("track_id").agg(
        pl.col("prominence").sum(),
        first_s=pl.col("pts_s").first(),
        last_s=pl.col("pts_s").last(),
        first_box=pl.concat_list(pl.col(column).first() for column in BOX),
        last_box=pl.concat_list(pl.col(column).last() for column in BOX),
    )
    return [
        _Track(number, prominence, first_s, last_s, np.array(first, np.float32), np.array(last, np.float32))
        for number, prominence, first_s, last_s, first, last in spans.sort("track_id").iter_rows()
    ]


def _gap_s(track: _Track, linked: list[_Track], relink_gap_s: float) -> float | None:
    """Seconds between a track and the subject's nearest one if it continues that one; None if it does not."""
    if any(track.first_s <= other.last_s and other.first_s <= track.last_s for other in linked):
        return None
    before = [(track.first_s - other.last_s, other.last_box, track.first_box) for other in linked]
    after = [(other.first_s - track.last_s, other.first_box, track.last_box) for other in linked]
    gap_s, there, here = min((side for side in before + after if side[0] > 0), key=lambda side: side[0])
    return gap_s if gap_s <= relink_gap_s and steps(there, here[None])[0] <= MAX_RETURN_STEP else None
