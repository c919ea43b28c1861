"""The file of those who get reports under a password of their own: a TOML file of the house, outside the data folder.

    [[recipient]]
    name = "night-team"
    password_file = "/etc/pmfer/night-team.password"

    [[recipient]]
    name = "dr-moss"
    password_variable = "PMFER_PASSWORD_DR_MOSS"

It names where a password is and holds none. No password is stored, logged or repeated in a message.
"""

import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from pmfer.errors import ConfigurationError, ReportError
from reports.render import Recipient


class RecipientEntry(BaseModel):
    """One table `[[recipient]]` of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    password_file: Path | None = None  # a private file; white space around the password is taken off
    password_variable: str | None = None  # of the environment

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.password_file is None) == (self.password_variable is None):
            raise ValueError("give either password_file or password_variable")
        return self


class RecipientFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipient: tuple[RecipientEntry, ...]


def read_recipients(path: Path | None, secret: Callable[[str], str | None]) -> tuple[Recipient, ...]:
    """The recipients with their passwords, by name; none without a file.

    Args:
        path: the file.
        secret: looks a variable of the environment up, see flows.settings.read_secret.

    Raises:
        ConfigurationError: the file cannot be read, an entry is wrong, or a password is missing, too short or lies in a
            file that others may read; names file and entry, never a password.
    """
    if path is None:
        return ()
    recipients: dict[str, Recipient] = {}
    for entry in _entries(path):
        where = f"recipients {path}, {entry.name[:40]}"
        if entry.name.lower() in {name.lower() for name in recipients}:
            raise ConfigurationError(f"{where}: stands there twice; keep one")
        try:
            recipients[entry.name] = Recipient(entry.name, _password(entry, where, secret))
        except ReportError as error:
            raise ConfigurationError(f"recipients {path}: {error}") from None
    return tuple(recipients[name] for name in sorted(recipients))


def _entries(path: Path) -> tuple[RecipientEntry, ...]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return RecipientFile.model_validate(content).recipient
    except OSError as error:
        raise ConfigurationError(f"recipients {path}: cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        # The parser's message may quote the line, and with it a password that somebody wrote there by mistake.
        raise ConfigurationError(f"recipients {path}: no TOML file in UTF-8; see docs/reports-formats.md") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"recipients {path}, {field}: {first['msg']}") from None


def _password(entry: RecipientEntry, where: str, secret: Callable[[str], str | None]) -> str:
    if entry.password_variable is not None:
        password = secret(entry.password_variable)
        if password is None:
            raise ConfigurationError(f"{where}: the variable {entry.password_variable} is not set; set it")
        return password
    file = entry.password_file
    assert file is not None  # the entry's own check: one of the two is given
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ConfigurationError(f"{where}: others may read {file}; make it private with `chmod 600`")
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{where}: {file} cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where}: {file} is no text in UTF-8; write the password anew") from None
