"""Choose the subject of a session: the face that dominates the recording, with all tracks of the same person."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice

import numpy as np
import polars as pl

from inference.faces import Floats, box_distances

MAX_RETURN_STEP = 0.5  # how far from its last position a face may reappear, as `faces.box_distances` measures it
MAX_PEOPLE = 8  # whose tracks are linked to find the subject: bounds the work in a recording of many short tracks
BOX = ("box_x_px", "box_y_px", "box_w_px", "box_h_px")


@dataclass(frozen=True)
class Subject:
    """The tracks that belong to the session's subject."""

    tracks: tuple[int, ...]  # in order of time; empty if no face was found
    rival_share: float  # prominence of the most prominent other person, relative to the subject's; 0 without others


@dataclass(frozen=True)
class _WholeTrack:
    """One track as a whole."""

    number: int
    prominence: float
    first_s: float
    last_s: float
    first_box: Floats  # [4], pixels
    last_box: Floats  # [4], pixels
    first_part: int  # part of the recording in which it begins; jumps divide the recording into parts
    last_part: int  # part in which it ends


NOBODY = Subject((), 0.0)


def choose_subject(sightings: pl.DataFrame, relink_gap_s: float, jumps_s: Sequence[float] = ()) -> Subject:
    """Choose the subject from all sightings of all faces.

    The prominence of a sighting is the product of the face's size (its side, not its area, so that a visitor who leans
    in does not outweigh the patient), the detection score and the share of the box inside the picture. All sampled
    frames count the same. Beginning with the most prominent track, tracks are linked to people: another track is linked
    to a person if it begins (or ends) within `relink_gap_s` of the end (or beginning) of one of the person's tracks, in
    almost the same place and size, and if they never overlap in time. The person with the largest total is the subject.
    A person who reappears somewhere else stays unscored: without face recognition, that is the safe mistake. Somebody
    else who takes exactly the subject's place within that time would be taken for the subject.

    Across a jump of the timestamps, positions mean nothing. If the recording never shows more than one face at a time,
    the faces on both sides of a jump are taken for the same person.

    Args:
        sightings: one row per face of a sampled frame, in order of time, with the columns `frame_index`, `pts_s`,
            `track_id`, `prominence` and those of the box.
        relink_gap_s: longest absence to bridge, in seconds.
        jumps_s: times at which the timestamps jump, on the clock of `pts_s`.
    """
    if sightings.is_empty():
        return NOBODY
    alone = sightings["frame_index"].is_unique().all()  # several frames may have the same time
    tracks = _tracks(sightings, jumps_s if alone else ())
    people: list[tuple[float, list[_WholeTrack]]] = []
    while tracks and len(people) < MAX_PEOPLE:
        main = max(tracks, key=lambda track: (track.prominence, -track.number))
        linked = _linked(main, tracks, relink_gap_s)
        people.append((sum(track.prominence for track in linked), linked))
        numbers = {track.number for track in linked}
        tracks = [track for track in tracks if track.number not in numbers]
    people.sort(key=lambda person: -person[0])  # of equals, the one with the more prominent track stays first
    prominence, own = people[0]
    rival = people[1][0] if len(people) > 1 else 0.0
    return Subject(tuple(track.number for track in own), rival / prominence if prominence > 0 else 0.0)


def _tracks(sightings: pl.DataFrame, jumps_s: Sequence[float]) -> list[_WholeTrack]:
    """The tracks of a session, in order of their numbers."""
    spans = sightings.group_by("track_id").agg(
        pl.col("prominence").sum(),
        first_s=pl.col("pts_s").first(),
        last_s=pl.col("pts_s").last(),
        first_box=pl.concat_list(pl.col(column).first() for column in BOX),
        last_box=pl.concat_list(pl.col(column).last() for column in BOX),
    )
    return [
        _WholeTrack(
            number,
            prominence,
            first_s,
            last_s,
            np.array(first, np.float32),
            np.array(last, np.float32),
            first_part=bisect_right(jumps_s, first_s),
            last_part=bisect_right(jumps_s, last_s),
        )
        for number, prominence, first_s, last_s, first, last in spans.sort("track_id").iter_rows()
    ]


def _linked(main: _WholeTrack, tracks: Sequence[_WholeTrack], relink_gap_s: float) -> list[_WholeTrack]:
    """The main track and all tracks that continue it, in order of time. The shortest gap is bridged first.

    Each linked track offers links to the free tracks before and after it, nearest first. An offer is valid only while
    no other linked track is nearer to the candidate. Tracks are never unlinked, so an offer that fails once fails for
    good.
    """
    before, after = _Side(tracks, relink_gap_s, -1), _Side(tracks, relink_gap_s, 1)
    linked: list[_WholeTrack] = []
    offers: list[tuple[float, int, int, _WholeTrack, _WholeTrack, Iterator[tuple[float, _WholeTrack]]]] = []
    order = count()  # keeps the heap from comparing tracks

    def offer(track: _WholeTrack, reachable: Iterator[tuple[float, _WholeTrack]]) -> None:
        for gap_s, candidate in islice(reachable, 1):
            heappush(offers, (gap_s, candidate.number, next(order), candidate, track, reachable))

    def link(track: _WholeTrack) -> None:
        place = bisect_right(linked, track.first_s, key=_first_s)
        offer(track, before.reachable(track, linked[place - 1] if place else None))
        offer(track, after.reachable(track, linked[place] if place < len(linked) else None))
        linked.insert(place, track)

    link(main)
    while offers:
        _, _, _, candidate, track, reachable = heappop(offers)
        if _nearest(candidate, linked) is track:
            link(candidate)
        else:
            offer(track, reachable)
    return linked


@dataclass(frozen=True)
class _End:
    """Where a track begins or ends."""

    at_s: float  # negated if time runs backward
    box: Floats
    part: int


class _Side:
    """All tracks in the order in which they are met when time runs forward (direction 1) or backward (-1)."""

    def __init__(self, tracks: Sequence[_WholeTrack], relink_gap_s: float, direction: int) -> None:
        self._relink_gap_s = relink_gap_s
        self._direction = direction
        met = sorted(
            ((self._ends(track)[0], track) for track in tracks), key=lambda pair: (pair[0].at_s, pair[1].number)
        )
        self._tracks = [track for _, track in met]
        self._met_s = np.array([end.at_s for end, _ in met])
        self._boxes = np.stack([end.box for end, _ in met])
        self._parts = np.array([end.part for end, _ in met])

    def _ends(self, track: _WholeTrack) -> tuple[_End, _End]:
        """The end of a track that is met first, and the other one."""
        first = _End(self._direction * track.first_s, track.first_box, track.first_part)
        last = _End(self._direction * track.last_s, track.last_box, track.last_part)
        return (first, last) if self._direction > 0 else (last, first)

    def reachable(self, track: _WholeTrack, until: _WholeTrack | None) -> Iterator[tuple[float, _WholeTrack]]:
        """Yield the tracks that may continue this one and are met before `until`, shortest gap first, with the gap."""
        _, left = self._ends(track)
        limit_s = left.at_s + self._relink_gap_s
        if until is not None:
            limit_s = min(limit_s, self._ends(until)[0].at_s)
        start, stop = np.searchsorted(self._met_s, [left.at_s, limit_s], side="right")
        near = box_distances(left.box, self._boxes[start:stop]) <= MAX_RETURN_STEP
        fits = near | (self._parts[start:stop] != left.part)
        for n in (start + np.flatnonzero(fits)).tolist():
            yield float(self._met_s[n] - left.at_s), self._tracks[n]


def _first_s(track: _WholeTrack) -> float:
    return track.first_s


def _nearest(track: _WholeTrack, linked: list[_WholeTrack]) -> _WholeTrack | None:
    """The linked track with the shortest gap to this one (the earlier of two); None if this one overlaps any."""
    place = bisect_right(linked, track.first_s, key=_first_s)
    gaps = [(track.first_s - other.last_s, other) for other in linked[max(0, place - 1) : place]]
    gaps += [(other.first_s - track.last_s, other) for other in linked[place : place + 1]]
    gap_s, nearest = min(gaps, key=lambda gap: gap[0])
    return nearest if gap_s > 0 else None
