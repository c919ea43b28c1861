"""Pack a night's sessions into shards: the portion that one worker takes at a time."""

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

# Bytes per second of video: 2 Mbit/s, typical of H.264 at 720p. Only relative lengths matter for packing, and only the
# decoder, which runs on the worker, knows a recording's true length.
BYTES_PER_S = 250_000

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
RecordingId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


@dataclass(frozen=True)
class Shard:
    """The sessions that one worker's run scores."""

    number: int  # from 1, in the order of packing, which starts with the longest sessions
    sessions: tuple[PendingSession, ...]  # in the order of the listing

    @property
    def ids(self) -> list[str]:
        """The ids of the sessions' recordings, which reveal no names to the server that stores them."""
        return [recording_id(session.recording.source_uri) for session in self.sessions]


class ShardRequest(BaseModel):
    """The request for one shard. It holds everything that the nightly run decided, so that no worker decides again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunRequest  # of the night, with its bundle resolved; without a data folder, as each machine has its own
    night: date
    recordings: Annotated[tuple[RecordingId, ...], Field(min_length=1)]  # see recording_id
    run_id: UUID  # of the nightly run
    shard: Annotated[int, Field(gt=0)]  # its number in that run
    bundle_id: Digest  # of the night's bundle
    options: ScoringOptions  # of the night
    options_sha256: Digest  # digest of the options, as the nightly run computed it


def recording_id(source_uri: str) -> str:
    """16 hex digits that stand for a recording, because a file name may reveal who was recorded."""
    return hashlib.sha256(source_uri.encode()).hexdigest()[:16]


def estimated_s(session: PendingSession) -> float:
    """Length of a recording in seconds, estimated from its file size."""
    return session.recording.size / BYTES_PER_S


def pack(sessions: Sequence[PendingSession], capacity_s: float) -> list[Shard]:
    """Pack sessions into few shards by first-fit decreasing: at most 11/9 of the optimum plus 1 (Johnson 1974).

    Sessions that may turn out to be copies of each other stay in one shard and in order, so that the first is stored
    and the others are quarantined, however many workers there are.

    Args:
        sessions: in the order of the listing.
        capacity_s: seconds of video per shard; a longer recording gets its own shard.
    """
    loads: list[float] = []
    content: list[list[PendingSession]] = []
    for group in sorted(_possible_copies(sessions), key=_length_s, reverse=True):
        length_s = _length_s(group)
        fit = next((i for i, load in enumerate(loads) if load + length_s <= capacity_s), None)
        if fit is None:
            loads.append(length_s)
            content.append(list(group))
        else:
            loads[fit] += length_s
            content[fit] += group
    position = {session.recording.source_uri: number for number, session in enumerate(sessions)}
    return [
        Shard(number, tuple(sorted(group, key=lambda session: position[session.recording.source_uri])))
        for number, group in enumerate(content, start=1)
    ]


def _length_s(group: Iterable[PendingSession]) -> float:
    return sum(map(estimated_s, group))


def _possible_copies(sessions: Sequence[PendingSession]) -> list[list[PendingSession]]:
    """Group sessions that share their session id or their size in bytes, as copies of one video do."""
    group_of: dict[tuple[str, object], list[PendingSession]] = {}
    for session in sessions:
        found = {id(group): group for key in _copy_keys(session) if (group := group_of.get(key)) is not None}
        group, *others = found.values() if found else ([],)
        group.append(session)
        for other in others:
            group += other
        for member in (session, *(member for other in others for member in other)):
            group_of.update(dict.fromkeys(_copy_keys(member), group))
    return list({id(group): group for group in group_of.values()}.values())


def _copy_keys(session: PendingSession) -> tuple[tuple[str, object], ...]:
    return ("id", session.recording.sidecar.session_id), ("size", session.recording.size)
