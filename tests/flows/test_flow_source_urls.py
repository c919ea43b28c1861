"""Sessions are found and copied alike from a folder, an S3-compatible store and an SFTP server."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
from object_store import BUCKET, ObjectStore, running_store
from plain_night import run_night
from relay import running_relay
from ssh_server import SshServer, find_sshd, running_server

from flows.data_folder import DataFolder
from flows.sources.discovery import list_night
from flows.sources.location import SourceAccess
from flows.sources.recordings import Digests
from flows.sources.source import Source, SourceGoneError, list_nights
from flows.staging import (
    ChangedMeanwhileError,
    UndeliveredError,
    UnreadableRecordingError,
    copy_recording,
    staging_folder,
)
from pmfer.errors import ConfigurationError, QuarantineReason
from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face

NIGHT = date(2026, 3, 2)
VIDEO = os.urandom(300_000)  # more than one SFTP request
SIDECAR = {"session_id": "a", "patient_id": "p01", "started_at": "2026-03-02T09:00:00+01:00", "consent": True}


@dataclass(frozen=True)
class Place:
    """A source of some kind, and methods to add and remove files."""

    source: Source
    folder: Path  # of a folder or an SFTP server
    store: Any = None  # of S3, with the prefix in `folder`

    def put(self, name: str, content: bytes | dict[str, object], night: date = NIGHT) -> None:
        """Add a file to a night."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        if self.store:
            self.store.put_object(Bucket=BUCKET, Key=f"{self.folder.name}/{night}/{name}", Body=data)
        else:
            (self.folder / str(night)).mkdir(exist_ok=True)
            (self.folder / str(night) / name).write_bytes(data)

    def remove(self, name: str) -> None:
        """Remove a file of the night."""
        if self.store:
            self.store.delete_object(Bucket=BUCKET, Key=f"{self.folder.name}/{NIGHT}/{name}")
        else:
            (self.folder / str(NIGHT) / name).unlink()

    def remove_night(self) -> None:
        """Remove the night with all its files."""
        if self.store:
            listed = self.store.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.folder.name}/{NIGHT}/")["Contents"]
            for found in listed:
                self.store.delete_object(Bucket=BUCKET, Key=found["Key"])
        else:
            shutil.rmtree(self.folder / str(NIGHT))


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_store() as running:
        yield running


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    if find_sshd() is None or shutil.which("ssh-keygen") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("OpenSSH is not installed; install the package openssh-server")
        pytest.skip("OpenSSH's server is not installed; with the package openssh-server these tests run as well")
    with running_server(tmp_path_factory.mktemp("ssh")) as running:
        yield running


def s3_source(store: ObjectStore, folder: Path) -> Source:
    access = SourceAccess(s3=store.access, s3_endpoint=store.access.endpoint)
    return Source(f"s3://{BUCKET}/{folder.name}", access, settle_s=0)


def sftp_source(ssh: SshServer, folder: Path) -> Source:
    access = SourceAccess(sftp_key_file=ssh.key_file, sftp_known_hosts=ssh.known_hosts)
    return Source(ssh.url(folder), access, settle_s=0)


@pytest.fixture(params=["path", "file", "s3", "sftp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty source of each kind: they must all behave alike."""
    folder = tmp_path / f"of-{tmp_path.name}"  # the bucket is shared by all tests
    folder.mkdir()
    if request.param == "s3":
        store = request.getfixturevalue("store")
        return Place(s3_source(store, folder), folder, store.client)
    if request.param == "sftp":
        return Place(sftp_source(request.getfixturevalue("ssh"), folder), folder)
    return Place(Source(f"{'file://' if request.param == 'file' else ''}{folder}", settle_s=0), folder)


def test_sessions_are_found_and_wrong_ones_named_at_every_kind_of_url(place: Place) -> None:
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    place.put("b.mp4", VIDEO)
    place.put("c.mp4", b"")
    place.put("c.json", {**SIDECAR, "session_id": "c"})
    place.put("notes.txt", b"bed 3")
    assert list_nights(place.source) == [NIGHT]
    listing = list_night(place.source, NIGHT)
    (recording,) = listing.recordings
    assert (recording.source_uri, recording.size, recording.sidecar.patient_id) == (
        f"{NIGHT}/a.mp4",
        len(VIDEO),
        "p01",
    )
    assert {r.source_uri: r.reason for r in listing.quarantined} == {
        f"{NIGHT}/b.mp4": QuarantineReason.SIDECAR_MISSING,
        f"{NIGHT}/c.mp4": QuarantineReason.EMPTY_FILE,
    }
    assert list_night(place.source, date(2026, 3, 9)).found == 0


def test_a_manifest_works_at_every_kind_of_url(place: Place) -> None:
    place.put("a.mkv", VIDEO)
    place.put(
        "manifest.csv", b"file,session_id,patient_id,started_at,consent\na.mkv,a,p01,2026-03-02T09:00+01:00,true\n"
    )
    (recording,) = list_night(place.source, NIGHT).recordings
    assert recording.sidecar.session_id == "a"


def test_names_of_other_systems_work_at_every_kind_of_url(place: Place, tmp_path: Path) -> None:
    place.put("Su\u0308d.MTS", VIDEO)  # decomposed, as macOS writes it
    place.put("S\u00fcd.json", SIDECAR)
    place.put("._Su\u0308d.MTS", b"\0\x05\x16\x07")
    listing = list_night(place.source, NIGHT)
    (recording,) = listing.recordings
    assert (recording.source_uri, listing.quarantined) == (f"{NIGHT}/S\u00fcd.MTS", ())
    with staging_folder(tmp_path / "staging") as folder:
        assert copy_recording(recording, place.source, folder).path.read_bytes() == VIDEO


def test_a_remote_name_that_is_not_utf_8_costs_its_session_alone(ssh: SshServer, tmp_path: Path) -> None:
    place = Place(sftp_source(ssh, tmp_path), tmp_path)
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    Path(os.fsdecode(bytes(tmp_path) + f"/{NIGHT}/caf".encode() + b"\xe9.mp4")).write_bytes(VIDEO)
    listing = list_night(place.source, NIGHT)
    assert [recording.name for recording in listing.recordings] == ["a.mp4"]
    assert [refused.source_uri for refused in listing.quarantined] == [f"{NIGHT}/caf\\xe9.mp4"]


def test_a_copy_is_hashed_on_the_way_and_known_afterwards(place: Place, tmp_path: Path) -> None:
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    (recording,) = list_night(place.source, NIGHT).recordings
    digests = Digests(tmp_path / "digests.txt")
    assert digests.of(recording) is None
    with staging_folder(tmp_path / "staging") as folder:
        copy = copy_recording(recording, place.source, folder)
        assert copy.path.read_bytes() == VIDEO
        assert copy.content_sha256 == hashlib.sha256(VIDEO).hexdigest()
        digests.remember(recording, copy.content_sha256)
    assert list((tmp_path / "staging").iterdir()) == []
    (again,) = list_night(place.source, NIGHT).recordings
    assert Digests(tmp_path / "digests.txt").of(again) == copy.content_sha256
    place.put("a.mp4", VIDEO[:-1])
    (other,) = list_night(place.source, NIGHT).recordings
    assert Digests(tmp_path / "digests.txt").of(other) is None
    kept = (tmp_path / "digests.txt").read_text()
    for told in (recording.source_uri, recording.sidecar.patient_id, copy.content_sha256):
        assert told not in kept


@pytest.mark.parametrize("place", ["s3", "sftp"], indirect=True)
def test_a_night_is_scored_from_afar_and_read_once(
    place: Place, data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = draw_face(sample_appearance(9000), {12: 1.0}, size=(320, 240))
    write_video(tmp_path / "a.mp4", [face] * 5, Fraction(5))
    place.put("a.mp4", (tmp_path / "a.mp4").read_bytes())
    place.put("a.json", SIDECAR)
    access = place.source.access
    settings = {"SFTP_KEY_FILE": access.sftp_key_file, "SFTP_KNOWN_HOSTS": access.sftp_known_hosts}
    if access.s3:
        settings |= {"S3_KEY_ID": access.s3.key_id, "S3_SECRET": access.s3.secret, "S3_ENDPOINT": access.s3_endpoint}
    for name, value in settings.items():
        if value is not None:
            monkeypatch.setenv(f"PMFER_{name}", str(value))
    assert len(run_night(place.source.url, data, NIGHT).pending) == 1
    with duckdb.connect(data.published, read_only=True) as connection:
        assert connection.sql("SELECT session_id, source_uri FROM sessions").fetchall() == [("a", f"{NIGHT}/a.mp4")]
    again = run_night(place.source.url, data, NIGHT)
    assert (again.pending, again.done_before, again.quarantined) == ((), 1, ())


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_a_connection_ends_with_its_block(place: Place) -> None:
    place.put("a.mp4", VIDEO)
    with place.source.open() as location:
        transport = location.filesystem.client.get_transport()
        with location.open(f"{NIGHT}/a.mp4") as stream:
            assert stream.read() == VIDEO
        assert transport.is_active()
    transport.join(30)
    assert not transport.is_alive()


def test_a_file_that_changed_since_it_was_listed_is_left(place: Place, tmp_path: Path) -> None:
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    (recording,) = list_night(place.source, NIGHT).recordings
    place.put("a.mp4", VIDEO + b"more")
    with staging_folder(tmp_path / "staging") as folder:
        with pytest.raises(ChangedMeanwhileError):
            copy_recording(recording, place.source, folder)
        assert list(folder.iterdir()) == []


def test_a_lost_file_is_told_from_a_lost_source(place: Place, tmp_path: Path) -> None:
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    (recording,) = list_night(place.source, NIGHT).recordings
    place.remove("a.mp4")
    with staging_folder(tmp_path / "staging") as folder, pytest.raises(UnreadableRecordingError):
        copy_recording(recording, place.source, folder)
    gone = replace(place.source, url=f"{place.source.url}-gone")
    with staging_folder(tmp_path / "staging") as folder, pytest.raises(SourceGoneError, match="run again"):
        copy_recording(recording, gone, folder)
    with pytest.raises(ConfigurationError, match=r"source .*-gone: "):
        list_nights(gone)


def through(port: int, place: Place) -> Place:
    """The same place, reached by another port of this machine."""
    source = place.source
    if endpoint := source.access.s3_endpoint:
        access = replace(source.access, s3_endpoint=f"{endpoint.rpartition(':')[0]}:{port}")
        return replace(place, source=replace(source, access=access))
    known_hosts, old_port = source.access.sftp_known_hosts, urlsplit(source.url).port
    assert known_hosts is not None
    known = place.folder.with_name("known_hosts")
    known.write_text(known_hosts.read_text().replace(f":{old_port} ", f":{port} "))
    url, access = source.url.replace(f":{old_port}/", f":{port}/"), replace(source.access, sftp_known_hosts=known)
    return replace(place, source=replace(source, url=url, access=access))


@pytest.mark.parametrize("place", ["s3", "sftp"], indirect=True)
def test_a_connection_that_breaks_in_the_middle_of_a_file_is_no_verdict_on_the_file(
    place: Place, tmp_path: Path
) -> None:
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    port = urlsplit(place.source.access.s3_endpoint or place.source.url).port
    assert port is not None
    with staging_folder(tmp_path / "staging") as folder, running_relay(port, len(VIDEO) // 2, cuts=0) as relay:
        far = through(relay.port, place).source
        (recording,) = list_night(far, NIGHT).recordings
        relay.cuts = 1
        assert copy_recording(recording, far, folder).content_sha256 == hashlib.sha256(VIDEO).hexdigest()
        assert relay.cuts == 0
        relay.cuts = 1000
        with pytest.raises(UndeliveredError, match=r"does not deliver 2026-03-02/a.mp4 \(.*; see that the server answ"):
            copy_recording(recording, far, folder)
        relay.cuts = 0  # before it ends, so that nothing waits for it


def test_a_source_that_is_emptied_is_a_lost_one(place: Place, tmp_path: Path) -> None:
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    (recording,) = list_night(place.source, NIGHT).recordings
    place.remove_night()
    with staging_folder(tmp_path / "staging") as folder, pytest.raises(SourceGoneError, match="run again"):
        copy_recording(recording, place.source, folder)


def test_a_night_that_is_removed_is_told_from_a_lost_source_and_says_nothing_of_its_files(
    place: Place, tmp_path: Path
) -> None:
    place.put("a.mp4", VIDEO)
    place.put("a.json", SIDECAR)
    place.put("b.mp4", VIDEO, NIGHT + timedelta(days=1))
    (recording,) = list_night(place.source, NIGHT).recordings
    place.remove_night()
    with (
        staging_folder(tmp_path / "staging") as folder,
        pytest.raises(ChangedMeanwhileError, match="the folder of its night is gone"),
    ):
        copy_recording(recording, place.source, folder)


def test_a_source_that_goes_away_while_its_sidecars_are_read_quarantines_nothing(place: Place) -> None:
    for name in ("a", "b"):
        place.put(f"{name}.mp4", VIDEO)
        place.put(f"{name}.json", {**SIDECAR, "session_id": name})
    there = [True]

    def unmount(uri: str) -> bool:
        if there and there.pop():
            place.remove_night()
        return True

    with pytest.raises(SourceGoneError, match="disappeared during the run"):
        list_night(place.source, NIGHT, unmount)


def test_a_host_with_another_key_or_an_unknown_one_is_refused(ssh: SshServer, tmp_path: Path) -> None:
    source = sftp_source(ssh, tmp_path)
    empty = tmp_path / "nobody_known"
    empty.touch()
    unknown = replace(source, access=replace(source.access, sftp_known_hosts=empty))
    with pytest.raises(ConfigurationError, match="does not know the host"):
        list_nights(unknown)
    kind, key, *_ = ssh.key_file.with_suffix(".pub").read_text().split()
    forged = tmp_path / "known_hosts"
    forged.write_text(f"[127.0.0.1]:{ssh.port} {kind} {key}\n")
    with pytest.raises(ConfigurationError, match="key differs from the one in"):
        list_nights(replace(source, access=replace(source.access, sftp_known_hosts=forged)))


def test_a_key_that_the_host_does_not_accept_is_one_line(ssh: SshServer, tmp_path: Path) -> None:
    source = sftp_source(ssh, tmp_path)
    wrong = replace(source.access, sftp_key_file=ssh.key_file.with_name("host_key"))
    with pytest.raises(ConfigurationError, match="refuses the key"):
        list_nights(replace(source, access=wrong))


def test_a_remote_link_is_quarantined_since_only_the_server_knows_where_it_leads(
    ssh: SshServer, tmp_path: Path
) -> None:
    (tmp_path / "secret.mp4").write_bytes(VIDEO)
    folder = tmp_path / "recordings"
    (folder / str(NIGHT)).mkdir(parents=True)
    (folder / str(NIGHT) / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / str(NIGHT) / "a.json").write_text(json.dumps(SIDECAR))
    (refused,) = list_night(sftp_source(ssh, folder), NIGHT).quarantined
    assert "link" in refused.message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sftp://ward:geheim@host/recordings", "holds a password"),
        ("s3://bucket/prefix?versionId=1", "nothing may follow"),
        ("https://host/recordings", "nor a supported URL"),
        ("s3://", "nor a supported URL"),
    ],
)
def test_a_url_of_another_form_is_refused_in_one_line_without_its_password(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refusal:
        list_nights(Source(url))
    assert "geheim" not in str(refusal.value)


def test_a_store_that_does_not_answer_is_one_line_without_the_key(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    source = s3_source(store, tmp_path)
    assert "secret" not in repr(source.access)
    nowhere = replace(source, access=replace(source.access, s3_endpoint="http://127.0.0.1:9"))
    with pytest.raises(ConfigurationError, match="source s3://") as refusal:
        list_nights(nowhere)
    assert "\n" not in str(refusal.value)
