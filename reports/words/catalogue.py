"""Brings the catalogues of translations up to date with the code: `make words`.

What is new gets an empty translation, what is gone leaves. The tests fail while a translation is missing.
"""

import ast
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from pmfer.facs import ACTION_UNITS
from reports.words.language import LANGUAGES, LOCALES, SOURCE_LANGUAGE, catalogue_path

ROOM = Path(__file__).parents[1]
PROJECT = "pmfer"


def source_catalogue() -> Catalog:
    """Every sentence that the room says, and the phrases of the action units."""
    catalogue = Catalog(project=PROJECT, fuzzy=False)
    for path in sorted((ROOM / "templates").glob("*.j2")):
        with path.open("rb") as stream:
            for _, message, _, _ in extract("jinja2", stream, keywords={"say": None}):
                catalogue.add(message, locations=[(f"reports/templates/{path.name}", 0)])
    for path in sorted(ROOM.rglob("*.py")):
        for message in python_sentences(path.read_text(encoding="utf-8")):
            catalogue.add(message, locations=[(f"reports/{path.relative_to(ROOM).as_posix()}", 0)])
    for unit in ACTION_UNITS:
        catalogue.add(unit.phrase, locations=[("pmfer/facs.py", 0)])
    return catalogue


def python_sentences(code: str) -> list[str | tuple[str, str]]:
    """Sentences of a Python file, by line; those with a plural as a pair.

    Babel's own extractor takes the second `say` in `say("{count} days", count=number(say, days))` for another sentence
    and loses the first.
    """
    found: list[tuple[int, str | tuple[str, str]]] = []
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if isinstance(node.func, ast.Name) and node.func.id == "say" and texts:
            found.append((node.lineno, texts[0]))
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "plural" and len(texts) == 2:
            found.append((node.lineno, (texts[0], texts[1])))
    return [message for _, message in sorted(found, key=lambda item: item[0])]


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
