"""`pmfer config`: prints the settings and where each comes from, and writes the page that documents them."""

import json
import types
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.table import Table

from cli.options import AsJson, DataDir
from flows.plain_text import PlainConsole
from flows.settings import OTHER_VARIABLES, PREFIX, SECRETS_OF_FILES, Settings, origins, read_settings
from pmfer.errors import ConfigurationError
from warehouse.address import without_secrets

app = typer.Typer(help="Show the settings.", invoke_without_command=True)

MASK = "***"
HEAD = """# Settings

After this page you can change any setting and know which value counts. The page is written from the class `Settings` by
`make settings-page`; do not edit it.

Give a setting as an option of a command, in the environment, in `.env` or in `pmfer.toml` of the working directory.
The first of these that has it wins, then the default. `PMFER_CONFIG` names a TOML file elsewhere. An empty value
in the environment or in `.env` counts as not given. An unknown name is an error in each of them. A path
may begin with `~/`.

    PMFER_RETAIN_FRAMES_DAYS=90     # the environment, or a line of .env
    retain_frames_days = 90         # pmfer.toml

`pmfer config` prints each setting and where it comes from, with secrets masked. Keep `.env` and `pmfer.toml` private
(`chmod 600`) if they hold secrets; `pmfer doctor` checks.
"""


@app.callback()
def config(
    as_json: AsJson = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the page that documents all settings to this file, and stop.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Print every setting and where it comes from; secrets are masked."""
    if markdown is not None:
        write_page(markdown)
        return
    settings = read_settings(data_dir=data_dir)
    shown, places = masked(settings), origins(data_dir=data_dir)
    if as_json:
        rows = {name: {"value": value, "from": places[name]} for name, value in shown.items()}
        typer.echo(json.dumps(rows, indent=1))
    else:
        PlainConsole(soft_wrap=True).print(_table(shown, places))


def masked(settings: Settings) -> dict[str, Any]:
    """Every setting as a value for JSON, with secrets and the passwords in addresses masked."""
    return {name: _shown(getattr(settings, name)) for name in Settings.model_fields}


def settings_page() -> str:
    """The page that documents every setting, in Markdown."""
    lines = [HEAD, "| variable, and name in `pmfer.toml` | default | form | meaning |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        form = _form(field.annotation)
        lines.append(f"| `{PREFIX}{name.upper()}`, `{name}` | {_default(field)} | {form} | {field.description} |")
    lines += ["", "Variables that begin with `PMFER_` but are not settings:", "", "| variable | what it is |"]
    lines += ["| --- | --- |", *(f"| `{name}` | {text} |" for name, text in OTHER_VARIABLES.items())]
    lines += [f"| `{SECRETS_OF_FILES}...` | a secret whose variable another file of the facility names |", ""]
    return "\n".join(lines)


def write_page(path: Path) -> None:
    """Write the settings page.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.write_text(settings_page(), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror}); choose another file") from None


def _shown(value: object) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return [_shown(part) for part in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | Path):
        return without_secrets(str(value))
    return value


def _table(shown: Mapping[str, Any], places: Mapping[str, str]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    for name, value in shown.items():
        table.add_row(name, _text(value), places[name])
    return table


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_text(part) for part in value) or "-"
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _default(field: FieldInfo) -> str:
    text = _text(_shown(field.default))
    return "none" if text == "-" else f"`{text}`"


def _form(annotation: Any) -> str:
    """The type of a setting in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _form(parts[0])
    if origin in (Union, types.UnionType):
        return _form(next(part for part in parts if part is not type(None)))
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return f"list of: {_form(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    names = {SecretStr: "secret", Path: "path", bool: "`true` or `false`", int: "whole number", float: "number"}
    return names.get(annotation, "text")
