"""File names as various systems write them: which are equal, which are hidden, and which are those of videos."""

import base64
import gzip
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from privacy_folder import PATIENT, access_to, copy_ward, file_of

from flows.data_folder import DataFolder
from flows.doctor import Grade, check_patients
from flows.plan import warn_of_pseudonyms
from flows.privacy.file_search import holds
from flows.privacy.name_map import read_names
from flows.privacy.patient_files import find_files
from flows.settings import Settings
from flows.sources.discovery import list_night
from flows.sources.recordings import NightListing
from flows.sources.source import Source
from pmfer.errors import QuarantineReason
from warehouse import audit
from warehouse.address import FileAddress
from warehouse.connection import open_reader
from warehouse.encryption import read_parquet, write_parquet
from warehouse.personal import Traces
from warehouse.transaction import transaction

NIGHT = date(2026, 3, 2)
COMPOSED, DECOMPOSED = "Zimmer-S\u00fcd", "Zimmer-Su\u0308d"  # as Linux and Windows write it, and as macOS does
SIDECAR = {"session_id": "a", "patient_id": "p01", "started_at": "2026-03-02T09:00:00+01:00", "consent": True}
HEADER = ["file", *SIDECAR]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    night = tmp_path / str(NIGHT)
    night.mkdir()
    return night


def listed(folder: Path, **options: str) -> NightListing:
    return list_night(Source(str(folder.parent), settle_s=0, **options), NIGHT)


def manifest(*files: str, separator: str = ",") -> str:
    lines = [[name, f"s{number}", "p01", "2026-03-02T09:00:00+01:00", "true"] for number, name in enumerate(files)]
    return "\n".join(separator.join(line) for line in [HEADER, *lines])


@pytest.mark.parametrize(("video", "other"), [(DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED), (COMPOSED, COMPOSED)])
@pytest.mark.parametrize("by_manifest", [False, True])
def test_two_forms_of_unicode_are_one_name(folder: Path, video: str, other: str, by_manifest: bool) -> None:
    (folder / f"{video}.mp4").write_bytes(b"video")
    if by_manifest:
        (folder / "manifest.csv").write_text(manifest(f"{other}.mp4"), encoding="utf-8")
    else:
        (folder / f"{other}.json").write_text(json.dumps(SIDECAR))
    (folder / f"{other}.done").touch()
    listing = listed(folder, done_marker=".done")
    assert (listing.quarantined, listing.unready) == ((), ())
    (recording,) = listing.recordings
    assert recording.source_uri == f"{NIGHT}/{COMPOSED}.mp4"  # whichever form the file system uses
    assert (folder.parent / recording.path).read_bytes() == b"video"


@pytest.mark.parametrize("kind", ["mp4", "json"])
def test_a_name_that_is_there_in_both_forms_is_a_question(folder: Path, kind: str) -> None:
    for name in (COMPOSED, DECOMPOSED):
        (folder / f"{name}.{kind}").write_text(json.dumps(SIDECAR))
    (folder / f"{COMPOSED}.mp4").write_bytes(b"video")
    (folder / f"{COMPOSED}.json").write_text(json.dumps(SIDECAR))
    listing = listed(folder)
    assert listing.recordings == ()
    (refused,) = listing.quarantined
    assert refused.message.startswith(f"{COMPOSED}.{kind}: two files have this name")


@pytest.mark.parametrize("by_manifest", [False, True])
def test_hidden_files_are_passed_over(folder: Path, by_manifest: bool) -> None:
    for name in ("bed1.mp4", "._bed1.mp4", "._bed1.json", ".bed2.mp4", ".bed1.mp4.swp", "~$bed1.json", ".DS_Store"):
        (folder / name).write_bytes(b"\0\x05\x16\x07")
    (folder / "._manifest.csv").write_bytes(b"\0\x05\x16\x07")
    if by_manifest:
        (folder / "manifest.csv").write_text(manifest("bed1.mp4"))
    else:
        (folder / "bed1.json").write_text(json.dumps(SIDECAR))
    listing = listed(folder)
    assert [recording.name for recording in listing.recordings] == ["bed1.mp4"]
    assert (listing.quarantined, listing.unready) == ((), ())


def test_a_manifest_that_lists_a_hidden_file_is_told(folder: Path) -> None:
    (folder / "._bed1.mp4").write_bytes(b"video")
    (folder / "manifest.csv").write_text(manifest("._bed1.mp4"))
    (refused,) = listed(folder).quarantined
    assert "line 2, file ._bed1.mp4 is a hidden file" in refused.message


@pytest.mark.parametrize("kind", ["MTS", "m2ts", "3gp", "wmv", "flv", "vob", "Qt", "dav", "h264"])
def test_what_cameras_write_is_a_video(folder: Path, kind: str) -> None:
    (folder / f"bed7.{kind}").write_bytes(b"video")
    assert listed(folder).quarantined[0].reason is QuarantineReason.SIDECAR_MISSING
    (folder / "bed7.json").write_text(json.dumps(SIDECAR))
    assert [recording.name for recording in listed(folder).recordings] == [f"bed7.{kind}"]


@pytest.mark.parametrize(
    ("name", "why"),
    [("bed7.xyz", ".xyz is not a suffix of videos"), ("bed7.GIF", ".gif is not"), ("bed7", "has no suffix of a video")],
)
def test_a_file_of_an_unknown_kind_beside_a_sidecar_is_named(folder: Path, name: str, why: str) -> None:
    (folder / name).write_bytes(b"video")
    (folder / "bed7.json").write_text(json.dumps(SIDECAR))
    (refused,) = listed(folder).quarantined
    assert refused.reason is QuarantineReason.VIDEO_MISSING
    assert f"bed7.json: no video of that name beside it; {name}: {why}" in refused.message


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_manifest_is_separated_as_a_spreadsheet_writes_it(folder: Path, separator: str, mark: str) -> None:
    (folder / "a.mp4").write_bytes(b"video")
    (folder / "manifest.csv").write_text(mark + manifest("a.mp4", separator=separator), encoding="utf-8")
    listing = listed(folder)
    assert [recording.name for recording in listing.recordings] == ["a.mp4"]
    assert listing.quarantined == ()


def test_a_manifest_in_another_encoding_is_one_clear_line(folder: Path) -> None:
    (folder / "manifest.csv").write_text(manifest(f"{COMPOSED}.mp4", separator=";"), encoding="cp1252")
    (refused,) = listed(folder).quarantined
    assert "is not UTF-8; save it as CSV UTF-8" in refused.message


@pytest.mark.parametrize("by_manifest", [False, True])
def test_an_erasure_finds_recordings_as_a_night_does(folder: Path, tmp_path: Path, by_manifest: bool) -> None:
    (folder / f"{DECOMPOSED}.MTS").write_bytes(b"video")
    if by_manifest:
        text = manifest(f"{COMPOSED}.MTS", separator=";")
        (folder / "manifest.csv").write_text(text, encoding="utf-8-sig")
    else:
        (folder / f"{COMPOSED}.JSON").write_text(json.dumps(SIDECAR), encoding="utf-8-sig")
    address = FileAddress(tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb")
    found = find_files(DataFolder(tmp_path), address, "p01")
    assert folder / f"{DECOMPOSED}.MTS" in [file.path for file in found if file.kind == "recording"]


@pytest.mark.parametrize("key", [None, base64.b64encode(bytes(32)).decode()])
def test_a_data_folder_may_have_signs_of_a_pattern_in_its_name(tmp_path: Path, key: str | None) -> None:
    batch = tmp_path / "[ward 3] *?" / "[a].parquet"
    batch.parent.mkdir()
    frames = pl.DataFrame({"patient_id": ["birch-01"]})
    write_parquet(frames, batch, key)
    assert read_parquet(batch, key).equals(frames)
    assert holds(batch, Traces("birch-01"))
    assert holds(batch, Traces("birch-02")) == (key is not None)  # a file that cannot be read may hold anything


def test_a_damaged_gzip_file_counts_as_one_that_may_hold_anything(tmp_path: Path) -> None:
    packed = gzip.compress(b"notes of birch-01, and of others")
    damaged = packed[:12] + bytes([packed[12] ^ 0xFF]) + packed[13:]
    for name, content in (("whole", packed), ("cut", packed[:-12]), ("damaged", damaged)):
        (tmp_path / f"{name}.gz").write_bytes(content)
    traces = Traces("birch-02")
    assert {path.stem for path in tmp_path.iterdir() if holds(path, traces)} == {"cut", "damaged"}
    assert holds(tmp_path / "whole.gz", Traces("birch-01"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_map_of_names_is_separated_as_a_spreadsheet_writes_it(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "[names].csv"
    file.write_text(f"\ufeffpatient_id{separator}name\np01{separator}Jane\n", encoding="utf-8")
    assert read_names(file) == {"p01": "Jane"}


def test_ids_that_differ_in_case_only_are_a_warning_within_a_night_and_against_the_warehouse(
    folder: Path, ward: DataFolder, caplog: pytest.LogCaptureFixture
) -> None:
    for number, patient in enumerate((PATIENT.title(), "Elm-02", "elm-02", "rosa")):
        (folder / f"{number}.mp4").write_bytes(b"video")
        sidecar = SIDECAR | {"session_id": f"s{number}", "patient_id": patient}
        (folder / f"{number}.json").write_text(json.dumps(sidecar))
    with open_reader(file_of(ward)) as reader:
        warn_of_pseudonyms(reader, listed(folder))
    assert "in upper and lower case: 4; they count as different patients" in caplog.text
    assert "1 new patients have pseudonyms that an erasure cannot tell from ordinary words" in caplog.text


def test_the_doctor_names_patients_whose_ids_are_alike(ward: DataFolder, tmp_path: Path) -> None:
    assert check_patients(Settings(data_dir=ward.root))[0] is Grade.OK
    data = copy_ward(ward, tmp_path / "data")
    with access_to(data).writing() as writer:
        connection = writer.connection
        connection.execute("INSERT INTO patients SELECT * REPLACE (upper(patient_id) AS patient_id) FROM patients")
        with transaction(connection):
            audit.record(connection, "something_done")
    state, text = check_patients(Settings(data_dir=data.root))
    assert state is Grade.WARNING
    assert f"{PATIENT.upper()} and {PATIENT}" in text
