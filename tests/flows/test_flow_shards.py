"""How a night's sessions are packed into shards."""

from datetime import UTC, datetime

from flows.plan import PendingSession
from flows.shards import BYTES_PER_S, Shard, pack, recording_id
from flows.sources.recordings import Recording
from flows.sources.sidecar import Sidecar

CAPACITY_S = 600.0


def session(name: str, seconds: float, session_id: str | None = None) -> PendingSession:
    """A session whose video has the size of one with that many seconds."""
    started = datetime(2026, 3, 2, 9, tzinfo=UTC)
    sidecar = Sidecar(session_id=session_id or name, patient_id="birch-01", started_at=started, consent=True)
    recording = Recording(f"2026-03-02/{name}.mp4", sidecar, round(seconds * BYTES_PER_S), "1")
    return PendingSession(recording, None)


def names(shards: list[Shard]) -> list[list[str]]:
    return [[session.recording.name.removesuffix(".mp4") for session in shard.sessions] for shard in shards]


def test_the_longest_goes_first_and_the_rest_fill_the_gaps() -> None:
    sessions = [session("a", 100), session("b", 500), session("c", 330), session("d", 260)]
    assert names(pack(sessions, CAPACITY_S)) == [["a", "b"], ["c", "d"]]


def test_a_session_longer_than_a_shard_has_one_of_its_own() -> None:
    assert names(pack([session("a", 10), session("b", 6000)], CAPACITY_S)) == [["b"], ["a"]]


def test_no_session_is_lost_or_doubled_and_no_shard_is_overfull() -> None:
    sessions = [session(f"s{number:03}", 1 + (number * 7919) % 599) for number in range(500)]
    shards = pack(sessions, CAPACITY_S)
    packed = [s.recording.source_uri for shard in shards for s in shard.sessions]
    assert sorted(packed) == [s.recording.source_uri for s in sessions]
    lengths = [sum(s.recording.size for s in shard.sessions) / BYTES_PER_S for shard in shards]
    assert max(lengths) <= CAPACITY_S
    assert len(shards) <= 1 + sum(lengths) / CAPACITY_S * 11 / 9


def test_what_may_be_the_same_session_stays_together_in_its_order() -> None:
    copies = [session("a", 400), session("b", 300, "same"), session("c", 350, "same"), session("d", 400)]
    assert sorted(names(pack(copies, CAPACITY_S))) == [["a", "d"], ["b", "c"]]
    chain = [session("x", 100, "one"), session("y", 200, "two"), session("z", 200, "one")]
    assert names(pack(chain, 150)) == [["x", "y", "z"]]


def test_an_empty_night_has_no_shard() -> None:
    assert pack([], CAPACITY_S) == []


def test_what_reaches_the_server_names_no_file() -> None:
    (shard,) = pack([session("mrs-miller-monday", 10)], CAPACITY_S)
    assert shard.ids == [recording_id("2026-03-02/mrs-miller-monday.mp4")]
    assert "miller" not in "".join(shard.ids)
