import json
import os
from datetime import date
from pathlib import Path

import pytest

from flows.sources.discovery import list_night as list_night_of
from flows.sources.recordings import NightListing, Recording
from flows.sources.source import Source, list_nights
from pmfer.errors import ConfigurationError, QuarantineReason
from warehouse.records import Situation

NIGHT = date(2026, 3, 2)
GOOD = {
    "session_id": "p01-a",
    "patient_id": "p01",
    "started_at": "2026-03-02T09:00:00+01:00",
    "consent": True,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    night = tmp_path / NIGHT.isoformat()
    night.mkdir()
    return night


def place(folder: Path, name: str = "a", video: bytes | None = b"video", **changes: object) -> None:
    if video is not None:
        (folder / f"{name}.mp4").write_bytes(video)
    (folder / f"{name}.json").write_text(json.dumps({**GOOD, **changes}))


def list_night(source: Path, night: date) -> NightListing:
    return list_night_of(Source(str(source), settle_s=0), night)


def reasons(source: Path) -> list[QuarantineReason]:
    return [refused.reason for refused in list_night(source, NIGHT).quarantined]


def test_a_video_with_its_sidecar_is_a_recording(folder: Path) -> None:
    place(folder)
    listing = list_night(folder.parent, NIGHT)
    assert [r.source_uri for r in listing.recordings] == ["2026-03-02/a.mp4"]
    assert listing.recordings[0].sidecar.started_at.isoformat() == GOOD["started_at"]
    assert listing.quarantined == ()


def test_a_manifest_stands_for_the_sidecars(folder: Path) -> None:
    (folder / "a.mkv").write_bytes(b"video")
    (folder / "manifest.csv").write_text(
        "file,session_id,patient_id,started_at,consent\na.mkv,p01-a,p01,2026-03-02T09:00:00+01:00,true\n"
    )
    listing = list_night(folder.parent, NIGHT)
    assert [type(r) for r in listing.recordings] == [Recording]
    assert listing.recordings[0].sidecar.patient_id == "p01"


def test_a_sidecar_may_say_where_it_was_and_what_went_on(folder: Path) -> None:
    place(folder, "a", ward="3b", room="312.1", situation="during_care")
    place(folder, "b", ward=None)
    sidecars = [recording.sidecar for recording in list_night(folder.parent, NIGHT).recordings]
    assert [(s.ward, s.room, s.situation) for s in sidecars] == [
        ("3b", "312.1", Situation.DURING_CARE),
        (None, None, None),
    ]


def test_a_manifest_may_say_so_too_and_leave_it_empty(folder: Path) -> None:
    for name in ("a", "b", "c"):
        (folder / f"{name}.mkv").write_bytes(b"video")
    (folder / "manifest.csv").write_text(
        "file;session_id;patient_id;started_at;consent;ward;situation\n"
        "a.mkv;p01-a;p01;2026-03-02T09:00:00+01:00;true;3b;meal\n"
        "b.mkv;p01-b;p01;2026-03-02T10:00:00+01:00;true;;\n"
        "c.mkv;p01-c;p01;2026-03-02T11:00:00+01:00;true;3b;dinner\n"
    )
    listing = list_night(folder.parent, NIGHT)
    sidecars = [recording.sidecar for recording in listing.recordings]
    assert [(s.ward, s.room, s.situation) for s in sidecars] == [("3b", None, Situation.MEAL), (None, None, None)]
    (refused,) = listing.quarantined
    assert refused.message.startswith("c.mkv: situation: Input should be 'at_rest', 'during_care', 'meal' or 'therapy'")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ward": "Ward 3"}, QuarantineReason.SIDECAR_INVALID),  # a ward becomes a file name, as a pseudonym does
        ({"room": ""}, QuarantineReason.SIDECAR_INVALID),
        ({"situation": "asleep"}, QuarantineReason.SIDECAR_INVALID),
        ({"started_at": "2026-03-03T09:00:00+01:00"}, QuarantineReason.SIDECAR_DATE_MISMATCH),
        ({"started_at": "2026-03-02T09:00:00"}, QuarantineReason.SIDECAR_INVALID),  # no offset
        ({"started_at": "yesterday"}, QuarantineReason.SIDECAR_INVALID),
        ({"patient_id": "../p01"}, QuarantineReason.SIDECAR_INVALID),
        ({"session_id": "a/b"}, QuarantineReason.SIDECAR_INVALID),
        ({"session_id": "x" * 65}, QuarantineReason.SIDECAR_INVALID),
        ({"session_id": "p01-a\n"}, QuarantineReason.SIDECAR_INVALID),
        ({"nickname": "Jane"}, QuarantineReason.SIDECAR_INVALID),  # unknown fields are refused
        ({"consent": False}, QuarantineReason.NO_CONSENT),
        ({"consent": None}, QuarantineReason.SIDECAR_INVALID),
    ],
)
def test_a_wrong_sidecar_is_quarantined_with_its_reason(
    folder: Path, changes: dict[str, object], reason: QuarantineReason
) -> None:
    place(folder, **changes)
    assert reasons(folder.parent) == [reason]
    assert list_night(folder.parent, NIGHT).recordings == ()


@pytest.mark.parametrize("year", ["0001", "1969", "2200", "9999"])
def test_a_recording_of_an_implausible_year_is_quarantined_alone(folder: Path, year: str) -> None:
    night = date(int(year), 12, 31)
    there = folder.rename(folder.with_name(night.isoformat()))
    place(there, started_at=f"{night}T09:00:00+01:00")
    (refused,) = list_night(there.parent, night).quarantined
    assert refused.reason is QuarantineReason.SIDECAR_INVALID
    assert "a.mp4: started_at: is in an implausible year, check the recorder's clock" in refused.message


def test_the_message_names_file_and_field(folder: Path) -> None:
    place(folder, patient_id="../p01")
    (refused,) = list_night(folder.parent, NIGHT).quarantined
    assert "a.mp4" in refused.message
    assert "patient_id" in refused.message
    assert "\n" not in refused.message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "\x00"])
def test_a_sidecar_that_is_no_json_object_is_quarantined(folder: Path, text: str) -> None:
    place(folder)
    (folder / "a.json").write_text(text)
    assert reasons(folder.parent) == [QuarantineReason.SIDECAR_INVALID]


def test_an_oversize_sidecar_is_not_read(folder: Path) -> None:
    place(folder)
    (folder / "a.json").write_text(json.dumps({**GOOD, "note": "x" * 100_000}))
    (refused,) = list_night(folder.parent, NIGHT).quarantined
    assert refused.reason is QuarantineReason.SIDECAR_INVALID
    assert "larger than" in refused.message


def test_a_video_without_sidecar_and_a_sidecar_without_video_are_both_named(folder: Path) -> None:
    (folder / "lonely.mp4").write_bytes(b"video")
    place(folder, "gone", video=None)
    assert sorted(reasons(folder.parent)) == [QuarantineReason.SIDECAR_MISSING, QuarantineReason.VIDEO_MISSING]


def test_two_sidecars_of_one_video_are_never_taken_for_one_consent(folder: Path) -> None:
    place(folder, "two", consent=True)
    (folder / "two.JSON").write_text(json.dumps({**GOOD, "consent": False}))
    listing = list_night(folder.parent, NIGHT)
    assert listing.recordings == ()
    (refused,) = listing.quarantined
    assert refused.reason is QuarantineReason.SIDECAR_INVALID
    assert refused.message == "two.mp4: has several sidecars (two.JSON, two.json); keep the right one"
    (folder / "two.json").unlink()
    assert reasons(folder.parent) == [QuarantineReason.NO_CONSENT]


def test_a_sidecar_in_capital_letters_is_waited_for_as_well(folder: Path) -> None:
    place(folder)
    (folder / "a.json").rename(folder / "a.JSON")
    os.utime(folder / "a.mp4", (0, 0))
    source = Source(str(folder.parent), settle_s=60)
    (unready,) = list_night_of(source, NIGHT).unready
    assert "a.JSON was written less than 60 s ago" in unready.message


def test_a_manifest_cannot_lead_out_of_its_folder(folder: Path) -> None:
    (folder.parent / "secret.mp4").write_bytes(b"video")
    (folder / "manifest.csv").write_text(
        "file,session_id,patient_id,started_at,consent\n../secret.mp4,a,p01,2026-03-02T09:00:00+01:00,true\n"
    )
    assert reasons(folder.parent) == [QuarantineReason.SIDECAR_INVALID]


def test_a_link_cannot_lead_out_of_the_source(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.mp4"
    outside.write_bytes(b"video")
    place(folder, video=None)
    (folder / "a.mp4").symlink_to(outside)
    assert reasons(folder.parent) == [QuarantineReason.SIDECAR_INVALID]


def test_other_files_are_left_alone(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "notes.txt").write_text("bed 3")
    assert list_night(folder.parent, NIGHT).found == 0


def test_a_missing_source_or_another_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "photographs").mkdir()
    with pytest.raises(ConfigurationError, match=r"nowhere.*No such file"):
        list_nights(Source(str(tmp_path / "nowhere")))
    with pytest.raises(ConfigurationError, match="no folder named YYYY-MM-DD"):
        list_nights(Source(str(tmp_path)))


def test_a_source_may_be_empty_in_a_new_house(tmp_path: Path) -> None:
    (tmp_path / ".keep").touch()
    assert list_nights(Source(str(tmp_path))) == []
    assert list_night(tmp_path, NIGHT).found == 0


def test_a_night_without_a_folder_is_empty(folder: Path) -> None:
    assert list_night(folder.parent, date(2026, 3, 9)).found == 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"patient_id": "Mrs Miller"}, "patient_id: may have up to 64 letters a to z, digits and . _ -"),
        ({"patient_id": 7}, "patient_id: must be text in quotation marks"),
        ({"birthday": "1940-01-01"}, "birthday: is not a field of a sidecar, remove it"),
        ({"started_at": "2026-03-02 09:00"}, "started_at: must be written as 2026-03-02T09:00:00+01:00"),
        ({"started_at": "2026-03-02T25:00:00+01:00"}, "started_at: must be written as 2026-03-02T09:00:00+01:00"),
    ],
)
def test_a_fault_of_a_sidecar_is_told_in_words_for_whoever_wrote_it(
    folder: Path, fault: dict[str, object], told: str
) -> None:
    place(folder, **fault)
    (refused,) = list_night(folder.parent, NIGHT).quarantined
    assert refused.message.startswith(f"a.mp4: {told}")


def test_a_folder_of_recordings_within_the_night_is_named_and_no_other_folder(folder: Path, tmp_path: Path) -> None:
    for name in ("cam 1", "thumbnails", ".Trash", "a.mp4"):
        (folder / name).mkdir()
    place(folder / "cam 1")
    place(folder / ".Trash")
    (folder / "thumbnails" / "a.jpg").write_bytes(b"picture")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    place(elsewhere)
    (folder / "link").symlink_to(elsewhere)
    (refused,) = list_night(folder.parent, NIGHT).quarantined
    assert refused.source_uri == "2026-03-02/cam 1"
    assert refused.reason is QuarantineReason.UNREADABLE
    assert refused.message == "cam 1: a folder with recordings, which are not read; move them into 2026-03-02"
    (folder / "cam 1" / "a.mp4").rename(folder / "a.mkv")
    (folder / "cam 1" / "a.json").rename(folder / "a.json")
    assert [recording.name for recording in list_night(folder.parent, NIGHT).recordings] == ["a.mkv"]
    assert reasons(folder.parent) == []
    deep = folder / "cam 1" / "am" / "08"
    deep.mkdir(parents=True)
    (deep / "a.mp4").write_bytes(b"video")
    (folder / "cam 1" / "round").symlink_to(folder)  # which leads back here for ever
    (refused,) = list_night(folder.parent, NIGHT).quarantined
    assert refused.source_uri == "2026-03-02/cam 1"
    assert refused.message == "cam 1/am/08: a folder with recordings, which are not read; move them into 2026-03-02"
