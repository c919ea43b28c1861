"""HTML for the screen: the printed page in one file that fetches nothing and runs nothing."""

import re
from html.parser import HTMLParser

import pytest

from pmfer.errors import ReportError
from reports.patient import PatientReport
from reports.render import patient_html, ward_html
from reports.screen import screen_html
from reports.ward import WardReport


class Page(HTMLParser):
    """The elements of a page with their attributes, and its words outside of styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words += data.split()


def test_it_says_what_the_print_says_and_refers_to_nothing_outside(
    patients: dict[str, PatientReport], ward: WardReport
) -> None:
    for printed in (*map(patient_html, patients.values()), ward_html(ward)):
        page = Page(screen_html(printed).decode())
        assert page.words == Page(printed).words
        for tag, attributes in page.elements:
            assert tag not in {"script", "link", "img", "iframe", "object", "embed"}
            assert not attributes.keys() & {"src", "href", "style"}
            assert not any(name.startswith("on") for name in attributes)
        styles = "".join(re.findall(r"<style>(.*?)</style>", screen_html(printed).decode(), re.DOTALL))
        assert "url(" not in styles
        assert "@page" in styles
        assert "@media screen" in styles


def test_a_policy_forbids_scripts_and_addresses(patients: dict[str, PatientReport]) -> None:
    page = Page(screen_html(patient_html(patients["hostile"])).decode())
    (policy,) = [at["content"] for tag, at in page.elements if at.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize("element", ['<img src="https://example.org/a.png">', "<script></script>"])
def test_a_page_that_refers_to_something_is_refused(element: str, patients: dict[str, PatientReport]) -> None:
    page = patient_html(patients["stable"]).replace("</body>", f"{element}</body>")
    with pytest.raises(ReportError, match="refers to another file"):
        screen_html(page)
