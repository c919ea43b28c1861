"""Somebody who can write to the source can harm only their own sessions. The rows of docs/security.md."""

import csv
import io
import json
import os
import time
import zipfile
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from command import exit_code
from plain_night import run_night
from privacy_folder import access_to, file_of

from flows.care_events import import_events
from flows.data_folder import WARD, DataFolder
from flows.plan import quarantine_record
from flows.sources.discovery import list_night
from flows.sources.recordings import NightListing, QuarantinedSession, Recording
from flows.sources.sidecar import MAX_MANIFEST_BYTES
from flows.sources.source import Source
from flows.staging import copy_recording, staging_folder
from pmfer.errors import QuarantineReason
from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face
from warehouse import quarantine
from warehouse.connection import open_reader

NIGHT = date(2026, 3, 2)
GOOD = {"session_id": "good", "patient_id": "p01", "started_at": "2026-03-02T09:00:00+01:00", "consent": True}
SECRET = "root:x:0:0"  # content of a file outside the source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    night = tmp_path / "source" / NIGHT.isoformat()
    night.mkdir(parents=True)
    (tmp_path / "secret").write_text(SECRET)
    return night


def listed(folder: Path, **options: object) -> NightListing:
    source = replace(Source(str(folder.parent), settle_s=0), **options)  # type: ignore[arg-type]
    return list_night(source, NIGHT)


def only_quarantined(folder: Path) -> QuarantinedSession:
    listing = listed(folder)
    assert listing.recordings == ()
    (refused,) = listing.quarantined
    assert "\n" not in refused.message
    assert SECRET not in refused.message
    return refused


def place(folder: Path, name: str, video: bytes, **changes: object) -> None:
    (folder / f"{name}.mp4").write_bytes(video)
    (folder / f"{name}.json").write_text(json.dumps({**GOOD, "session_id": name, **changes}))


# Ids and paths


@pytest.mark.parametrize("field", ["session_id", "patient_id", "ward", "room"])
@pytest.mark.parametrize(
    "identifier",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".hidden",
        "a/b",
        "a\\b",
        "a\0b",
        "%2e%2e%2f",
        "p01'; DROP TABLE sessions; --",
        "{{ 7 * 7 }}",
        "<script>alert(1)</script>",
        "$(reboot)",
        "",
        "ä" * 10,
    ],
)
def test_an_id_is_a_plain_word_or_refused(folder: Path, field: str, identifier: str) -> None:
    place(folder, "a", b"video", **{field: identifier})
    refused = only_quarantined(folder)
    assert refused.reason is QuarantineReason.SIDECAR_INVALID
    assert field in refused.message


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "a/../../secret", "..\\secret", "a\x1b[2J.mp4", ""])
def test_a_manifest_names_files_of_its_own_folder_only(folder: Path, name: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["file", *GOOD], [name, *GOOD.values()]])
    (folder / "manifest.csv").write_text(text.getvalue())
    refused = only_quarantined(folder)
    assert refused.reason is QuarantineReason.SIDECAR_INVALID
    assert "line 2" in refused.message
    assert "\x1b" not in refused.message


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("a.mp4,a,p01,2026-03-02T09:00:00+01:00,true,more", "more fields than columns"),
        ("a.mp4,a,p01,yesterday,true", "started_at"),
        ("a.mp4,a,p01,2026-03-02T09:00:00+01:00,perhaps", "consent"),
        ("a.mp4,a", "patient_id"),
    ],
)
def test_a_wrong_line_of_a_manifest_is_named_with_its_field(folder: Path, line: str, fault: str) -> None:
    (folder / "a.mp4").write_bytes(b"video")
    (folder / "manifest.csv").write_text(f"file,session_id,patient_id,started_at,consent\n{line}\n")
    refused = only_quarantined(folder)
    assert fault in refused.message
    assert "a.mp4" in refused.message


def test_a_recording_is_listed_once(folder: Path) -> None:
    (folder / "a.mp4").write_bytes(b"video")
    line = "a.mp4,a,p01,2026-03-02T09:00:00+01:00,true\n"
    (folder / "manifest.csv").write_text("file,session_id,patient_id,started_at,consent\n" + line + line)
    listing = listed(folder)
    assert len(listing.recordings) == 1
    assert "listed twice" in listing.quarantined[0].message


def test_a_recording_whose_lines_disagree_on_consent_is_refused(folder: Path) -> None:
    (folder / "a.mp4").write_bytes(b"video")
    lines = [f"a.mp4,a,p01,2026-03-02T09:00:00+01:00,{consent}\n" for consent in ("true", "false")]
    (folder / "manifest.csv").write_text("file,session_id,patient_id,started_at,consent\n" + "".join(lines))
    listing = listed(folder)
    assert not listing.recordings
    assert any("with different details" in refused.message for refused in listing.quarantined)


def test_lines_that_name_no_recording_are_one_trouble_of_the_manifest(folder: Path) -> None:
    rest = "p01,2026-03-02T09:00:00+01:00,true\n"
    lines = [f"{name},a,{rest}" for name in ("../a.mp4", "manifest.csv", "")]
    (folder / "manifest.csv").write_text("file,session_id,patient_id,started_at,consent\n" + "".join(lines))
    refused = only_quarantined(folder)
    assert refused.source_uri == f"{NIGHT}/manifest.csv"
    assert "line 2, file '../a.mp4' is not a plain file name, and 2 more like it" in refused.message


# Links and special files


@pytest.mark.parametrize("linked", ["a.mp4", "a.json"])
def test_a_link_out_of_the_source_is_not_followed(folder: Path, tmp_path: Path, linked: str) -> None:
    place(folder, "a", b"video")
    (folder / linked).unlink()
    (folder / linked).symlink_to(tmp_path / "secret")
    assert only_quarantined(folder).reason is QuarantineReason.SIDECAR_INVALID


def test_a_night_that_is_a_link_out_of_the_source_is_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = folder.rename(tmp_path / "elsewhere")
    place(elsewhere, "a", b"video")
    folder.symlink_to(elsewhere)
    assert only_quarantined(folder).reason is QuarantineReason.SIDECAR_INVALID


def test_a_link_put_in_place_after_the_look_is_not_followed(folder: Path, tmp_path: Path) -> None:
    place(folder, "a", SECRET.encode())
    (recording,) = listed(folder).recordings
    (folder / "a.mp4").unlink()
    (folder / "a.mp4").symlink_to(tmp_path / "secret")
    with (
        staging_folder(tmp_path / "staging") as staging,
        pytest.raises(Exception, match=r"changed since it was listed|leads out of the source"),
    ):
        copy_recording(recording, Source(str(folder.parent), settle_s=0), staging)
    assert list((tmp_path / "staging").iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.json", "manifest.csv"])
def test_a_pipe_that_never_ends_is_not_waited_for(folder: Path, name: str) -> None:
    place(folder, "a", b"video")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert listed(folder).recordings == ()


@pytest.mark.parametrize("name", ["a.mp4", "a.json"])
def test_a_link_that_leads_round_in_a_circle_costs_its_session_alone(folder: Path, name: str) -> None:
    place(folder, "a", b"video")
    place(folder, "good", b"video")
    (folder / name).unlink()
    (folder / name).symlink_to(folder / name)
    listing = listed(folder)
    assert [recording.name for recording in listing.recordings] == ["good.mp4"]
    assert len(listing.quarantined) == 1


@pytest.mark.parametrize("kind", ["pipe", "link to nothing", "circle"])
def test_what_is_no_file_is_not_called_empty(folder: Path, kind: str) -> None:
    place(folder, "a", b"video")
    video = folder / "a.mp4"
    video.unlink()
    if kind == "pipe":
        os.mkfifo(video)
    else:
        video.symlink_to(video if kind == "circle" else folder / "nothing")
    refused = only_quarantined(folder)
    assert refused.reason is QuarantineReason.UNREADABLE
    assert "a.mp4: no file" in refused.message


# Consent and times are not guessed


@pytest.mark.parametrize("consent", ["yes", "true", "on", "1", 1, 1.0, [True], None])
def test_consent_is_true_or_false_and_nothing_like_it(folder: Path, consent: object) -> None:
    place(folder, "a", b"video", consent=consent)
    assert "consent: must be true or false" in only_quarantined(folder).message


@pytest.mark.parametrize("stated", ["yes", "1", "", " true"])
def test_a_manifest_states_consent_as_plainly(folder: Path, stated: str) -> None:
    (folder / "a.mp4").write_bytes(b"video")
    (folder / "b.mp4").write_bytes(b"video")
    rows = "".join(
        f"{name}.mp4,{name},p01,2026-03-02T09:00+01:00,{consent}\n" for name, consent in (("a", stated), ("b", "TRUE"))
    )
    (folder / "manifest.csv").write_text("file,session_id,patient_id,started_at,consent\n" + rows)
    listing = listed(folder)
    assert [recording.name for recording in listing.recordings] == ["b.mp4"]
    assert "consent: must be true or false" in listing.quarantined[0].message


@pytest.mark.parametrize("moment", [1772438400, 1772438400.0, "1772438400"])
def test_a_number_is_no_time(folder: Path, moment: object) -> None:
    place(folder, "a", b"video", started_at=moment)
    assert "started_at: must be written as" in only_quarantined(folder).message


def test_a_field_given_twice_is_refused(folder: Path) -> None:
    place(folder, "a", b"video")
    (folder / "a.json").write_text(json.dumps(GOOD).replace("{", '{"consent": false, '))
    assert "consent: given twice" in only_quarantined(folder).message


def test_a_sidecar_of_nothing_but_fields_is_refused_at_once(folder: Path) -> None:
    fields = ",".join(f'"{number:x}":1' for number in [*range(6_500), 0])
    place(folder, "a", b"video")
    (folder / "a.json").write_text(f"{{{fields}}}")
    began = time.process_time()
    assert "0: given twice" in only_quarantined(folder).message
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "head",
    [
        "file,session_id,patient_id,started_at,consent,consent",
        "file session_id patient_id started_at consent",
        "session_id,patient_id,started_at,consent",
        "",
    ],
)
def test_the_first_line_of_a_manifest_names_every_column_once(folder: Path, head: str) -> None:
    (folder / "manifest.csv").write_text(f"{head}\na.mp4,a,p01,2026-03-02T09:00:00+01:00,false,true\n")
    assert "its first line must name file, session_id" in only_quarantined(folder).message


def test_no_patient_is_called_like_the_page_of_the_ward(folder: Path) -> None:
    place(folder, "a", b"video", patient_id=WARD.upper())
    assert "another pseudonym" in only_quarantined(folder).message


# Oversized or malformed sidecars and manifests


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        '{"a":' * 10_000,
        '{"session_id": ' + "9" * 60_000 + "}",
        '{"session_id": NaN}',
        "\ufeff{}",
        '{"session_id": "\ud800"}'.encode("utf-8", "surrogatepass").decode("latin-1"),
        json.dumps({**GOOD, "note": "x" * 70_000}),
        json.dumps({**GOOD, "x\x1b[2J\u202e": 1}),
    ],
)
def test_a_sidecar_may_hold_anything(folder: Path, text: str) -> None:
    place(folder, "a", b"video")
    (folder / "a.json").write_text(text)
    refused = only_quarantined(folder)
    assert refused.reason is QuarantineReason.SIDECAR_INVALID
    assert refused.message.isprintable()
    assert len(refused.message) < 500


def test_a_manifest_has_a_limit(folder: Path) -> None:
    with (folder / "manifest.csv").open("wb") as stream:
        stream.truncate(MAX_MANIFEST_BYTES + 1)
    assert "larger than" in only_quarantined(folder).message


def test_a_file_beyond_the_limit_is_not_copied(folder: Path) -> None:
    place(folder, "a", b"video")
    (refused,) = listed(folder, max_bytes=4).quarantined
    assert refused.reason is QuarantineReason.TOO_LARGE


# Names


@pytest.mark.parametrize(
    "name", [b"caf\xe9.mp4", b"a\x1b[31m.mp4", b"a\nfake line.mp4", "a\u202e4pm.mp4".encode(), b"%s.mp4", b"';--.mp4"]
)
def test_a_name_is_shown_without_obeying_it(folder: Path, data: DataFolder, name: bytes) -> None:
    Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(b"video")
    refused = only_quarantined(folder)
    assert refused.message.isprintable()
    assert refused.source_uri.isprintable()
    assert refused.source_uri.encode()  # can be stored: no lone surrogates
    record = quarantine_record(refused, NIGHT, "run")
    with access_to(data).writing() as writer:
        connection = writer.connection
        assert quarantine.add_quarantine(connection, record)
        assert quarantine.of_night(connection, NIGHT)["source_uri"].to_list() == [refused.source_uri]


# Uploads in progress


def test_a_fresh_file_is_left_for_next_time_and_no_trouble(folder: Path) -> None:
    place(folder, "a", b"video")
    (folder / "b.mp4").write_bytes(b"a video whose sidecar is under way")
    listing = listed(folder, settle_s=60)
    assert (listing.recordings, listing.quarantined, listing.found) == ((), (), 0)
    assert ["next time" in unready.message for unready in listing.unready] == [True, True]
    hour_ago = (folder / "a.mp4").stat().st_mtime - 3600
    for path in folder.iterdir():
        os.utime(path, (hour_ago, hour_ago))
    listing = listed(folder, settle_s=60)
    assert [type(found) for found in (*listing.recordings, *listing.quarantined)] == [Recording, QuarantinedSession]
    assert listing.unready == ()


def test_a_marker_says_that_a_recording_is_whole_where_the_source_has_such(folder: Path) -> None:
    place(folder, "a", b"video")
    assert [unready.source_uri for unready in listed(folder, done_marker=".done").unready] == [f"{NIGHT}/a.mp4"]
    (folder / "a.done").touch()
    listing = listed(folder, done_marker=".done", settle_s=60)
    assert len(listing.recordings) == 1
    assert listing.unready == ()


# A folder with all kinds of files


def test_a_night_of_hostile_files_loses_none_of_its_good_sessions(folder: Path, data: DataFolder) -> None:
    face = draw_face(sample_appearance(9000), {12: 1.0}, size=(320, 240))
    write_video(folder / "good.mp4", [face] * 10, Fraction(5))
    (folder / "good.json").write_text(json.dumps(GOOD))
    whole = (folder / "good.mp4").read_bytes()
    noise = np.random.default_rng(0)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    hostile = {
        "text": b"no video",
        "zip": bomb.getvalue(),
        "cut": whole[:300],
        "noise": noise.bytes(50_000),
        "playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"/>',
        "script": b"#!/bin/sh\nrm -rf /\n",
        "picture": b"\x89PNG\r\n\x1a\n" + noise.bytes(1000),
    }
    for number in range(4):  # damaged at random: whatever happens, the night continues
        damaged = bytearray(whole)
        for position in noise.integers(100, len(whole), 200):
            damaged[position] = int(noise.integers(256))
        hostile[f"damaged{number}"] = bytes(damaged)
    for name, content in hostile.items():
        place(folder, name, content)
    run_night(folder.parent, data, NIGHT)
    with open_reader(file_of(data)) as reader:
        stored = {row[0] for row in reader.execute("SELECT session_id FROM sessions").fetchall()}
        quarantined = dict(quarantine.of_night(reader, NIGHT).select("session_id", "reason").iter_rows())
        messages = quarantine.of_night(reader, NIGHT)["message"].to_list()
    assert "good" in stored
    assert stored | set(quarantined) == {"good", *hostile}
    assert stored <= {"good", *(name for name in hostile if name.startswith("damaged"))}
    assert {quarantined[name] for name in ("text", "zip", "playlist", "concat", "script", "svg", "picture")} == {
        "not_a_video"
    }
    assert "crashed" not in quarantined.values()
    assert not [message for message in messages if "root:" in message or str(data.root) in message]
    assert list(data.staging.iterdir()) == []
    assert run_night(folder.parent, data, NIGHT).nothing_new


# Text that could be interpreted as commands


def test_words_of_others_are_no_sql(data: DataFolder, tmp_path: Path) -> None:
    words = "x'); DROP TABLE care_events; --"
    file = tmp_path / "events'; DROP TABLE patients; --.csv"
    file.write_text(f'patient_id,kind,item,started_at,note\np01,care,"{words}",2026-03-02T08:00:00+01:00,"{words}"\n')
    import_events(access_to(data), file, None)
    with open_reader(file_of(data)) as reader:
        (row,) = reader.execute("SELECT item, note, source FROM care_events").fetchall()
    assert row == (words, words, file.name)


def test_secrets_are_in_no_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PMFER_S3_KEY_ID", "key")
    monkeypatch.setenv("PMFER_S3_SECRET", "s3cret-of-the-store")
    monkeypatch.setenv("PMFER_S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    source = "s3://bucket/recordings"
    assert exit_code("nightly", "--source", source, "--date", NIGHT, "--data-dir", tmp_path / "data") == 1
    said = capsys.readouterr()
    assert said.err.startswith("pmfer: source s3://bucket/recordings: ")
    assert "s3cret" not in said.err + said.out
