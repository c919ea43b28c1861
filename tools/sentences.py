"""Extracts the sentences of the reports for `pybabel extract`, which `make words` runs as configured in pyproject.toml.

Babel's own extractor for Python does not recognize methods, so it would miss the plural of `say.plural(one, many,
...)`.
"""

import ast
from collections.abc import Iterator
from typing import IO, Any

from pmfer.facs import ACTION_UNITS

Found = tuple[int, str | None, str | tuple[str, str], list[str]]  # line, function, text or texts, comments


def extract_sentences(file: IO[bytes], keywords: object, comment_tags: object, options: Any) -> Iterator[Found]:
    """Sentences in a Python file that are passed to `say` or `say.plural`, by line."""
    calls = [node for node in ast.walk(ast.parse(file.read())) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: call.lineno):
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if isinstance(node.func, ast.Name) and node.func.id == "say" and texts:
            yield node.lineno, None, texts[0], []
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "plural" and len(texts) == 2:
            yield node.lineno, "ngettext", (texts[0], texts[1]), []


def extract_phrases(file: IO[bytes], keywords: object, comment_tags: object, options: Any) -> Iterator[Found]:
    """Phrases of the action units, which the file declares."""
    for unit in ACTION_UNITS:
        yield 0, None, unit.phrase, []
