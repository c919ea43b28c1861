"""What a recorder states about a session, and how it is read: from a small JSON file that may hold anything."""

import json
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from flows.data_folder import WARD
from flows.sources.location import Location, SourceReadError
from flows.sources.printable import printable
from pmfer.errors import QuarantineReason, SessionError

MAX_SIDECAR_BYTES = 64 * 1024  # a sidecar is a few hundred bytes; whatever is larger is something else

# No separators, no leading dot: an id becomes a file's name.
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_WRITTEN_OUT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]")


def _no_page_of_the_ward(pseudonym: str) -> str:
    """A patient of that name would write over the overview."""
    if pseudonym.lower() == WARD:
        raise PydanticCustomError("ward", "'ward' names the page of the whole ward, give the patient another pseudonym")
    return pseudonym


def _written_out(moment: object) -> object:
    """A bare number would be taken for seconds since 1970, and its day for the one in Greenwich."""
    if isinstance(moment, int | float) or (isinstance(moment, str) and not _WRITTEN_OUT.match(moment)):
        raise PydanticCustomError("moment", "must be written as 2026-03-02T09:00:00+01:00")
    return moment


def _yes_or_no(consent: object) -> object:
    """Consent is not to be guessed: 1, "on" and "y" are no consent."""
    if not isinstance(consent, bool):
        raise PydanticCustomError("consent", "must be true or false, without quotation marks")
    return consent


class Sidecar(BaseModel):
    """What the recorder states about a session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: Identifier
    patient_id: Annotated[Identifier, AfterValidator(_no_page_of_the_ward)]  # a pseudonym
    # ISO 8601 with offset; its day is the day in the patient's place
    started_at: Annotated[AwareDatetime, BeforeValidator(_written_out)]
    consent: Annotated[bool, BeforeValidator(_yes_or_no)]


def read_sidecar(location: Location, path: str, name: str) -> dict[str, Any] | SessionError:
    """The fields of a sidecar, unchecked, or what is wrong with the file.

    Args:
        location: the source.
        path: the sidecar's, in it.
        name: what to call it in a message.
    """
    try:
        text = location.read(path, MAX_SIDECAR_BYTES).decode("utf-8-sig")  # editors on Windows write a mark in front
        content = json.loads(text, object_pairs_hook=_once_each)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except RecursionError:
        return _unreadable(name, "nested too deeply")
    except SourceReadError as error:
        return _unreadable(name, str(error.strerror or error))
    except ValueError as error:
        return _unreadable(name, str(error))
    return content


def checked(raw: dict[str, Any]) -> Sidecar:
    """The sidecar.

    Raises:
        ValueError: says in one line which field is wrong and how.
    """
    try:
        return Sidecar.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "sidecar"
        raise ValueError(printable(f"{field}: {first['msg']}")) from None


def _once_each(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of a field that is given twice, nobody knows which one is meant."""
    once = dict(fields)
    if len(once) < len(fields):
        twice = next(name for number, (name, _) in enumerate(fields) if name in dict(fields[:number]))
        raise ValueError(f"{twice}: given twice")
    return once


def _unreadable(name: str, why: str) -> SessionError:
    return SessionError(QuarantineReason.SIDECAR_INVALID, f"{name}: not a readable sidecar ({printable(why)})")
