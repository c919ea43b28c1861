"""The printed page as one file for the screen: the same template, with its styles in it and nothing to fetch.

Typefaces are left to the system, because the packaged ones would make each file many times as large. Print styles stay,
so the browser prints what the PDF shows as nearly as it can. A policy in the page forbids scripts and any address.
"""

import re
from pathlib import Path

from pmfer.errors import ReportError

TEMPLATES = Path(__file__).parent / "templates"
SCREEN_STYLE = "screen.css"
_LINK = re.compile(r'<link rel="stylesheet" href="asset:([A-Za-z0-9_-]+\.css)">')
_ANY_LINK = re.compile(r"<(?:link|script|img|iframe|object|embed)\b")
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")
_HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "  <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    'img-src data:">\n'
)


def screen_html(page: str) -> bytes:
    """The page of `patient_html` or `ward_html` as a file that any browser opens, UTF-8.

    Raises:
        ReportError: the page or a style refers to something that would have to be fetched.
    """
    styled = _LINK.sub(lambda link: f"<style>\n{_style(link[1])}</style>", page)
    if styled == page or _ANY_LINK.search(styled):
        raise ReportError("report as HTML: the page refers to another file; put what it needs into the page itself")
    screen = f"{_HEAD}  <style>\n{_style(SCREEN_STYLE)}</style>\n</head>"
    return styled.replace("</head>", screen, 1).encode()


def _style(name: str) -> str:
    text = _FONT_FACE.sub("", (TEMPLATES / name).read_text(encoding="utf-8"))
    if "url(" in text or "@import" in text or "</" in text:
        raise ReportError(f"report as HTML: style {name} refers to another file; leave that to the print style")
    return text
