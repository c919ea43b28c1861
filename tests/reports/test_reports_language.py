"""Languages: the German catalogue is complete and consistent, and every sample can be printed in German."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po

from pmfer.errors import ReportError
from reports.pages import patient_html, ward_html
from reports.patient import PatientReport
from reports.ward import WardReport
from reports.words.language import LANGUAGES, SOURCE_LANGUAGE, Language, catalogue_path, language
from tools.sentences import extract_sentences

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"\{(\w+)\}")
OTHERS = [code for code in LANGUAGES if code != SOURCE_LANGUAGE]


def read_catalogue(path: Path) -> Catalog:
    with path.open("rb") as stream:
        return read_po(stream)


def places(text: str) -> set[str]:
    return set(PLACE.findall(text))


def forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_translated_and_none_is_left_over(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails after a change of words, run `make words` and translate what is new."""
    monkeypatch.chdir(ROOT)
    source = ("-F", "pyproject.toml", "-k", "say", "-o", f"{tmp_path}/reports.pot", "reports", "pmfer/facs.py")
    CommandLineInterface().run(["pybabel", "-q", "extract", *source])
    wanted = {message.id for message in read_catalogue(tmp_path / "reports.pot") if message.id}
    catalogue = read_catalogue(catalogue_path(code))
    translated = {message.id for message in catalogue if message.id and all(forms(message.string))}
    assert len(wanted) > 200
    assert translated == wanted


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_places_of_its_sentence(code: str) -> None:
    for message in read_catalogue(catalogue_path(code)):
        allowed = set().union(*(places(form) for form in forms(message.id)))
        for form in forms(message.string):
            assert places(form) <= allowed, message.id
        # The singular may leave out a placeholder; the plural has all of them.
        assert places(forms(message.string)[-1]) == places(forms(message.id)[-1]), message.id


def test_no_sentence_is_made_where_it_cannot_be_found() -> None:
    code = 'say("{n} days", n=number(say, 2))\nsay.plural("one day", "{n} days", days, n=word(say, days))\n'
    found = [texts for _, _, texts, _ in extract_sentences(BytesIO(code.encode()), (), (), {})]
    assert found == ["{n} days", ("one day", "{n} days")]


def test_every_sample_speaks_german(patients: dict[str, PatientReport], ward: WardReport) -> None:
    for name, report in patients.items():
        html = patient_html(report, language="de")
        assert '<html lang="de">' in html
        for english in ("Today", "usual", "Recording", "higher", "pictures", "Patient p", "not back", "Seen"):
            assert english not in _words(html), (name, english)
    assert "Stationsübersicht" in ward_html(ward, language="de")


def _words(html: str) -> str:
    """Text of a page without tags and styles."""
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).replace("asset:", "")


def test_numbers_choose_their_form(say: Language) -> None:
    german = language("de")
    assert say.plural("one recording", "{count} recordings", 2, count=2) == "2 recordings"
    assert german.plural("one recording", "{count} recordings", 1, count=1) == "eine Aufnahme"
    assert german.plural("one recording", "{count} recordings", 2, count="zwei") == "zwei Aufnahmen"


def test_a_language_that_is_not_spoken_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(ReportError, match="language tlh: not available for reports; choose one of en, de"):
        language("tlh")
