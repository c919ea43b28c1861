"""A PDF under a password opens for its recipient alone, and no password shows."""

import io

import pikepdf
import pytest

from pmfer.errors import ReportError
from reports.patient import PatientReport
from reports.recipients import Recipient, protected
from reports.render import patient_pdf

PASSWORD = "Grüße an die Nacht"


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
