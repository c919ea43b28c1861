"""A night's sessions packed into shards: what one worker takes at a time."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from flows.plan import PendingSession
from flows.request import RunRequest
from inference.options import ScoringOptions

# What a second of video takes, bytes: 2 Mbit/s, as of H.264 at 720p. Only shares matter when shards are packed, and a
# recording's true length is known only to the decoder, which runs where the shard does.
BYTES_PER_S = 250_000

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
RecordingId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


@dataclass(frozen=True)
class Shard:
    """Sessions that one run scores one after the other."""

    number: int  # from 1, the largest first
    sessions: tuple[PendingSession, ...]  # in the order of the listing

    @property
    def ids(self) -> list[str]:
        """What names the sessions to a server that stores parameters."""
        return [recording_id(session.recording.source_uri) for session in self.sessions]


class ShardRequest(BaseModel):
    """What a worker is asked for: what the night decided, whole, so that no worker decides it anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunRequest  # of the night, with the address of its bundle; each machine has a data folder of its own
    night: date
    recordings: Annotated[tuple[RecordingId, ...], Field(min_length=1)]  # see recording_id
    run_id: UUID  # the nightly run that stores them
    shard: Annotated[int, Field(gt=0)]  # its number in that run
    bundle_id: Digest  # of the night's bundle
    options: ScoringOptions  # those of the night
    options_sha256: Digest  # their digest there


def recording_id(source_uri: str) -> str:
    """16 hex digits for a recording: houses choose names of files freely, and a name may say who was recorded."""
    return hashlib.sha256(source_uri.encode()).hexdigest()[:16]


def estimated_s(session: PendingSession) -> float:
    """Length of a recording by its size, seconds."""
    return session.recording.size / BYTES_PER_S


def pack(sessions: Sequence[PendingSession], capacity_s: float) -> list[Shard]:
    """Pack sessions into as few shards as first-fit decreasing finds: at most 11/9 of the fewest plus 1 (Johnson 1974).

    Sessions that may turn out to be the same one stay together and in their order, so that the first of them is stored
    and the others are quarantined, however many workers there are.

    Args:
        sessions: in the order of the listing.
        capacity_s: seconds of video per shard; what is longer has a shard of its own.
    """
    loads: list[float] = []
    content: list[list[PendingSession]] = []
    for group in sorted(_inseparable(sessions), key=_length_s, reverse=True):
        length_s = _length_s(group)
        fit = next((i for i, load in enumerate(loads) if load + length_s <= capacity_s), None)
        if fit is None:
            loads.append(length_s)
            content.append(list(group))
        else:
            loads[fit] += length_s
            content[fit] += group
    place = {session.recording.source_uri: number for number, session in enumerate(sessions)}
    return [
        Shard(number, tuple(sorted(group, key=lambda session: place[session.recording.source_uri])))
        for number, group in enumerate(content, start=1)
    ]


def _length_s(group: Iterable[PendingSession]) -> float:
    return sum(map(estimated_s, group))


def _inseparable(sessions: Sequence[PendingSession]) -> list[list[PendingSession]]:
    """Groups of sessions that share their identifier, or their size in bytes, as copies of one video do."""
    group_of: dict[tuple[str, object], list[PendingSession]] = {}
    for session in sessions:
        found = {id(group): group for mark in _marks(session) if (group := group_of.get(mark)) is not None}
        group, *others = found.values() if found else ([],)
        group.append(session)
        for other in others:
            group += other
        for member in (session, *(member for other in others for member in other)):
            group_of.update(dict.fromkeys(_marks(member), group))
    return list({id(group): group for group in group_of.values()}.values())


def _marks(session: PendingSession) -> tuple[tuple[str, object], ...]:
    return ("id", session.recording.sidecar.session_id), ("size", session.recording.size)
