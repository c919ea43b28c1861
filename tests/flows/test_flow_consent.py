"""Consent is checked before any of a video is read, and errors of a consent file say where they are."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from subprocess import PIPE

import pytest
from command import exit_code
from other_processes import python_path
from privacy_folder import access_to

from flows.data_folder import DataFolder
from flows.job import make_job
from flows.plan import NightPlan, plan_night, quarantine_record
from flows.privacy.consent import import_consents, read_consents
from flows.request import RunRequest
from flows.sources.discovery import list_night
from flows.unfinished import nights_to_come_back_to
from pmfer.errors import ConfigurationError, QuarantineReason, SessionError
from warehouse import erasure, quarantine
from warehouse.consent import read_register

NIGHT = date(2026, 3, 2)
PERIODS = ("ash-01,2026-03-03,,form 1", "elm-02,2026-01-01,2026-03-02,form 2")
HEADER = "patient_id,valid_from,valid_to,source\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A night with one recording of each of three patients; none of the files is a video."""
    folder = tmp_path / "source" / NIGHT.isoformat()
    folder.mkdir(parents=True)
    for patient_id in ("ash-01", "elm-02", "fir-03"):
        sidecar = {
            "session_id": f"{patient_id}-am",
            "patient_id": patient_id,
            "started_at": "2026-03-02T09:00:00+01:00",
            "consent": True,
        }
        (folder / f"{patient_id}.json").write_text(json.dumps(sidecar))
        (folder / f"{patient_id}.mp4").write_text(f"no video of {patient_id}")
    return tmp_path / "source"


def register(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "consents.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def plan(source: Path, data: DataFolder) -> NightPlan:
    with access_to(data).writing() as writer:
        connection = writer.connection
        job = make_job(RunRequest(source=str(source), data_dir=data.root), NIGHT)
        return plan_night(connection, list_night(job.source, NIGHT), job)


def patients(night: NightPlan) -> tuple[set[str], set[str | None]]:
    """The patients whose sessions are to be scored, and those whose sessions are quarantined."""
    return (
        {session.recording.sidecar.patient_id for session in night.pending},
        {refused.patient_id for refused in night.quarantined},
    )


def test_a_session_outside_of_the_consent_is_quarantined_before_its_file_is_read(
    source: Path, data: DataFolder, tmp_path: Path
) -> None:
    import_consents(
        access_to(data), register(tmp_path, "ash-01,2026-03-03,,form 1", "elm-02,2026-01-01,2026-03-02,form 2")
    )
    night = plan(source, data)
    assert patients(night) == ({"elm-02", "fir-03"}, {"ash-01"})
    (refused,) = night.quarantined
    assert refused.reason is QuarantineReason.NO_CONSENT
    assert refused.content_sha256 is None  # not even hashed: a decoder would have said not_a_video
    assert "no consent on record covers 2026-03-02" in refused.message


HOLDER = """
import sys
from pathlib import Path
from privacy_folder import access_to
from flows.inbox import take_over_consents
from flows.data_folder import DataFolder

data = DataFolder(Path(sys.argv[1]))
with access_to(data).writing() as writer:
    connection = writer.connection
    print("open", flush=True)
    sys.stdin.readline()
    take_over_consents(connection, data, None)
    print("taken over", flush=True)
    sys.stdin.readline()
"""


def test_a_withdrawal_reaches_a_night_that_is_running_before_its_next_session(data: DataFolder, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(data.root)]
    environment = {"PYTHONPATH": python_path()}
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as night:
        assert night.stdin is not None
        assert night.stdout is not None
        assert night.stdout.readline() == "open\n"
        told = import_consents(access_to(data), register(tmp_path, "ash-01,2026-03-03,,form 1"))
        assert "a night is running, which records them before its next session" in told
        night.stdin.write("\n")
        night.stdin.flush()
        assert night.stdout.readline() == "taken over\n"
        night.communicate("\n")
    assert list(data.inbox.iterdir()) == []
    with access_to(data).writing() as writer:
        connection = writer.connection
        assert read_register(connection).refusal("ash-01", NIGHT) == f"no consent on record covers {NIGHT}"


def test_a_session_refused_at_storing_is_to_be_scored_once_the_consent_is_back(
    source: Path, data: DataFolder, tmp_path: Path
) -> None:
    (session, *_) = plan(source, data).pending
    hashed = replace(session, content_sha256="a" * 64)
    refused = hashed.quarantined(SessionError(QuarantineReason.NO_CONSENT, "no consent on record"))
    with access_to(data).writing() as writer:
        connection = writer.connection
        quarantine.add_quarantine(connection, quarantine_record(refused, NIGHT, "run"))
        assert nights_to_come_back_to(connection, data, NIGHT + timedelta(days=1)) == []
    import_consents(access_to(data), register(tmp_path, "ash-01,2026-03-01,,form 1"))
    with access_to(data).writing() as writer:
        connection = writer.connection
        assert nights_to_come_back_to(connection, data, NIGHT + timedelta(days=1)) == [NIGHT]
    assert "ash-01" in patients(plan(source, data))[0]


def test_what_is_of_somebody_erased_is_passed_over(source: Path, data: DataFolder) -> None:
    with access_to(data).writing() as writer:
        connection = writer.connection
        erasure.erase_rows(connection, "ash-01", erasure.begin_erasure(connection, "ash-01", {}), {})
    assert patients(plan(source, data)) == ({"elm-02", "fir-03"}, set())


def test_where_records_are_required_a_patient_without_one_is_quarantined(
    source: Path, data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_consents(access_to(data), register(tmp_path, "elm-02,2026-01-01,,form 2"))
    monkeypatch.setenv("PMFER_CONSENT_REQUIRED", "true")
    assert patients(plan(source, data)) == ({"elm-02"}, {"ash-01", "fir-03"})


def test_without_any_record_the_sidecar_decides(source: Path, data: DataFolder) -> None:
    assert patients(plan(source, data)) == ({"ash-01", "elm-02", "fir-03"}, set())


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (("ash-01,2026-03-03,,form 1", "Mrs Ash,2026-03-03,,form 1"), "row 3, patient_id"),
        (("ash-01,03/03/2026,,form 1",), "row 2, valid_from"),
        (("ash-01,2026-03-03,2026-03-02,form 1",), "row 2: .*valid_to 2026-03-02 is before valid_from"),
        (("ash-01,2026-03-03,,",), "row 2, source"),
        (("ash-01,2026-03-03,,form 1,more",), "row 2: more fields than columns"),
        (("ash-01,2026-03-03,,form 1", "ash-01,2026-03-03,,form 2"), "row 3, valid_from: row 2 has a period"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_taken_over(tmp_path: Path, rows: tuple[str, ...], complaint: str) -> None:
    data = DataFolder(tmp_path / "not there yet")
    with pytest.raises(ConfigurationError, match=rf"consents\.csv, {complaint}") as error:
        import_consents(access_to(data), register(tmp_path, *rows))
    assert "\n" not in str(error.value)
    assert not data.root.exists()


def test_a_file_that_is_no_register_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.csv: cannot be read"):
        read_consents(tmp_path / "nowhere.csv")
    (tmp_path / "other.csv").write_text("name,day\n")
    with pytest.raises(ConfigurationError, match=r"other\.csv: column patient_id is missing"):
        read_consents(tmp_path / "other.csv")
    (tmp_path / "twice.csv").write_text("patient_id,valid_from,valid_to,valid_to,source\n")  # which one holds?
    with pytest.raises(ConfigurationError, match=r"twice\.csv: column valid_to is there twice"):
        read_consents(tmp_path / "twice.csv")
    (tmp_path / "binary.csv").write_bytes(b"patient_id,valid_from,source\n\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"binary\.csv: not a CSV file in UTF-8"):
        read_consents(tmp_path / "binary.csv")


def test_the_register_is_shown_on_a_line_per_record_however_long_the_source(
    data: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"form 2, {'signed by the representative, ' * 5}third floor"
    import_consents(
        access_to(data), register(tmp_path, "ash-01,2026-03-03,,form 1", f'elm-02,2026-01-01,2026-03-02,"{source}"')
    )
    assert exit_code("consent", "list", "--patient", "elm-02", "--data-dir", data.root) == 0
    _, shown = capsys.readouterr().out.splitlines()
    assert shown.startswith("elm-02")
    assert "2026-03-02" in shown
    assert source in shown
