"""Brings the catalogues of translations up to date with the code: `make words`.

What is new gets an empty translation, what is gone leaves. The tests fail while a translation is missing.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from pmfer.facs import ACTION_UNITS
from reports.words.language import LANGUAGES, LOCALES, SOURCE_LANGUAGE, catalogue_path

ROOM = Path(__file__).parents[1]
KEYWORDS = {"say": None, "plural": (1, 2)}
PROJECT = "pmfer"


def python_sentences(
    source: IO[bytes], keywords: object, comment_tags: object, options: object
) -> Iterator[tuple[int, str, str | tuple[str, ...], list[str]]]:
    """Sentences of a Python file, as Babel wants them of an extractor.

    Babel's own takes the `say` in `say("{count} days", count=number(say, days))` for another sentence and loses the first.
    """
    for node in ast.walk(ast.parse(source.read())):
        if not isinstance(node, ast.Call):
            continue
        texts = tuple(arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
        if isinstance(node.func, ast.Name) and node.func.id == "say" and texts:
            yield node.lineno, "say", texts[0], []
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "plural" and len(texts) == 2:
            yield node.lineno, "plural", texts, []


METHODS = [("**.py", python_sentences), ("templates/**.j2", "jinja2")]
OPTIONS = {"templates/**.j2": {"silent": "false"}}


def source_catalogue() -> Catalog:
    """Every sentence that the room says, and the phrases of the action units."""
    catalogue = Catalog(project=PROJECT, fuzzy=False)
    found = extract_from_dir(str(ROOM), METHODS, OPTIONS, keywords=KEYWORDS, strip_comment_tags=True)
    for path, _, message, _, context in sorted(found, key=lambda item: item[:2]):
        catalogue.add(message, locations=[(f"reports/{path}", 0)], context=context)
    for unit in ACTION_UNITS:
        catalogue.add(unit.phrase, locations=[("pmfer/facs.py", 0)])
    return catalogue


def read_catalogue(code: str) -> Catalog:
    """The translations of one language; empty while there is no file."""
    path = catalogue_path(code)
    if not path.is_file():
        return Catalog(locale=LOCALES[code], project=PROJECT, fuzzy=False)
    with path.open("rb") as stream:
        return read_po(stream, locale=LOCALES[code])


def update(code: str) -> Path:
    """Bring the file of one language up to date and return where it lies."""
    catalogue, source = read_catalogue(code), source_catalogue()
    source.creation_date = catalogue.creation_date  # no change where no sentence changed
    catalogue.update(source, no_fuzzy_matching=True)
    path = catalogue_path(code)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        write_po(stream, catalogue, width=120, include_lineno=False, ignore_obsolete=True)
    return path


def main() -> None:
    """Bring all catalogues up to date."""
    for code in LANGUAGES:
        if code != SOURCE_LANGUAGE:
            print(update(code))


if __name__ == "__main__":
    main()
