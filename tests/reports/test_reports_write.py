"""Writing reports: each file whole or not at all, many in processes where one that fails does not stop the rest.

A PDF under a password opens for its recipient alone, and no password shows.
"""

import io
import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest
from report_attempts import DEADLY, attempt

from pmfer.errors import ReportError
from reports import Format, pages, write
from reports.patient import PatientReport
from reports.render import patient_pdf
from reports.write import ORDERS_PER_PROCESS, Order, Recipient, protected, write_all, write_files

PASSWORD = "Grüße an die Nacht"


def orders_of(report: PatientReport, names: list[str], folder: Path, form: Format = Format.JSON) -> list[Order]:
    return [Order(replace(report, patient_id=name), {form: folder / f"{name}.{form}"}) for name in names]


def test_real_reports_are_written_by_several_processes(patients: dict[str, PatientReport], tmp_path: Path) -> None:
    printed, others = ["a", "b"], [f"p{number}" for number in range(ORDERS_PER_PROCESS - 1)]
    orders = orders_of(patients["first_session"], printed, tmp_path, Format.PDF)
    orders += orders_of(patients["first_session"], others, tmp_path)
    outcomes = list(write_all(orders, processes=2))
    assert [outcome.error for outcome in outcomes] == [None] * len(orders)
    pages, documents = (
        {path.stem: path.read_bytes() for path in tmp_path.glob(f"*.{form}")} for form in ("pdf", "json")
    )
    assert pages.keys() == set(printed)
    assert all(page.startswith(b"%PDF") for page in pages.values())
    assert documents.keys() == set(others)
    assert all(json.loads(document)["report"]["patient_id"] == name for name, document in documents.items())
    assert len(list(tmp_path.iterdir())) == len(orders)
    assert {outcome.order.paths for outcome in outcomes} == {order.paths for order in orders}


def test_a_process_that_dies_is_one_line_and_all_others_are_written(
    patients: dict[str, PatientReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_attempt", attempt)
    names = ["a", "b", DEADLY, *(f"p{number}" for number in range(ORDERS_PER_PROCESS))]
    outcomes = list(write_all(orders_of(patients["first_session"], names, tmp_path), processes=2))
    errors = [outcome.error for outcome in outcomes if outcome.error]
    assert errors == [f"report of patient {DEADLY}: {write.DIED}"]
    assert {path.stem for path in tmp_path.iterdir()} == set(names) - {DEADLY}
    assert len(outcomes) == len(names)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_report_that_cannot_be_written_does_not_stop_the_rest(
    processes: int, patients: dict[str, PatientReport], tmp_path: Path
) -> None:
    (tmp_path / "p1.json").mkdir()
    names = [f"p{number}" for number in range(ORDERS_PER_PROCESS + 1)]
    orders = orders_of(patients["first_session"], names, tmp_path)
    failed = [outcome for outcome in write_all(orders, processes) if outcome.error]
    assert [outcome.order.files for outcome in failed] == [orders[1].files]
    assert "p1.json: cannot be written" in str(failed[0].error)
    assert sum(path.is_file() for path in tmp_path.iterdir()) == len(names) - 1


def test_nothing_to_write_starts_nothing() -> None:
    assert list(write_all([], processes=8)) == []


def test_a_template_that_is_wrong_costs_its_reports_alone(
    patients: dict[str, PatientReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = Path(shutil.copytree(pages.TEMPLATES, tmp_path / "templates"))
    (templates / "patient.html.j2").write_text("{{ report.no_such_field }}")
    monkeypatch.setattr(pages, "TEMPLATES", templates)
    pages._environment.cache_clear()
    orders = orders_of(patients["first_session"], ["a"], tmp_path, Format.PDF)
    orders += orders_of(patients["first_session"], ["a"], tmp_path, Format.JSON)
    try:
        wrong, right = write_all(orders, processes=1)
    finally:
        pages._environment.cache_clear()
    assert wrong.error is not None
    assert wrong.error.startswith("report of patient a: the template is broken (")
    assert "\n" not in wrong.error
    assert right.error is None
    assert not (tmp_path / "a.pdf").exists()


def test_a_file_is_private_and_leaves_no_draft(files: dict[str, Path]) -> None:
    for path in files.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.suffix for path in files["pain_rising"].parent.iterdir()} == {".pdf"}


def test_a_failed_write_keeps_the_old_report(
    patients: dict[str, PatientReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "p01.pdf"
    target.write_bytes(b"yesterday's")

    def refuse(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ReportError, match=r"p01\.pdf: cannot be written \(No space left on device\)"):
        write_files(Order(patients["first_session"], {Format.PDF: target}))
    assert [path.name for path in tmp_path.iterdir()] == ["p01.pdf"]
    assert target.read_bytes() == b"yesterday's"


@pytest.fixture(scope="module")
def plain(patients: dict[str, PatientReport]) -> bytes:
    return patient_pdf(patients["first_session"])


def test_only_the_password_opens_it_and_it_is_the_same_document(plain: bytes) -> None:
    locked = protected(plain, Recipient("night-team", PASSWORD))
    for wrong in ("", "another password"):
        with pytest.raises(pikepdf.PasswordError):
            pikepdf.open(io.BytesIO(locked), password=wrong)
    with pikepdf.open(io.BytesIO(locked), password=PASSWORD) as pdf, pikepdf.open(io.BytesIO(plain)) as before:
        assert pdf.user_password_matched
        assert not pdf.owner_password_matched
        assert (pdf.encryption.R, pdf.encryption.bits) == (6, 256)
        assert pdf.Root.Lang == before.Root.Lang
        assert pdf.Root.MarkInfo.Marked
        assert len(pdf.Root.StructTreeRoot.K) == len(before.Root.StructTreeRoot.K)
        assert pdf.docinfo["/Title"] == before.docinfo["/Title"]
        assert [page.Contents.read_bytes() for page in pdf.pages] == [p.Contents.read_bytes() for p in before.pages]


def test_screen_readers_and_printers_may_nobody_may_change(plain: bytes) -> None:
    locked = protected(plain, Recipient("night-team", PASSWORD))
    with pikepdf.open(io.BytesIO(locked), password=PASSWORD) as pdf:
        assert pdf.allow.accessibility
        assert pdf.allow.print_highres
        assert not pdf.allow.modify_other
        assert not pdf.allow.modify_annotation


def test_nothing_of_the_document_is_readable_without_the_password(plain: bytes) -> None:
    locked = protected(plain, Recipient("night-team", PASSWORD))
    with pikepdf.open(io.BytesIO(plain)) as pdf:
        stored = pdf.pages[0].Contents.read_raw_bytes()
    assert stored in plain
    assert stored not in locked
    assert protected(plain, Recipient("night-team", PASSWORD)) != locked


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "x" * 33, "dr.moss", "-x"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ReportError, match="must have 1 to 32 letters"):
        Recipient(name, PASSWORD)


@pytest.mark.parametrize("password", ["", "eleven char", "ä" * 64])
def test_a_password_that_protects_nothing_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(ReportError, match=r"recipient night-team: the password must have 12") as error:
        Recipient("night-team", password)
    assert not password or password not in str(error.value)


def test_a_recipient_does_not_show_the_password() -> None:
    assert PASSWORD not in repr(Recipient("night-team", PASSWORD))
