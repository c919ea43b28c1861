"""A PDF that only somebody with the password can open, one for each recipient.

AES-256 as in the standard security handler of PDF 2.0, revision 6 (ISO 32000-2, 7.6.4). A password protects against
whoever finds the file, not against whoever may try passwords for long, so a short one is refused.
"""

import io
import re
import secrets
from dataclasses import dataclass, field

import pikepdf

from pmfer.errors import ReportError

SHORTEST_PASSWORD = 12  # characters; a file can be tried offline, so this is all that stands in the way
LONGEST_PASSWORD = 127  # bytes in UTF-8; revision 6 ignores what comes after
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")

# What a recipient may do. Screen readers may read, and a report may be printed and quoted, but not be changed.
PERMISSIONS = pikepdf.Permissions(
    accessibility=True,
    extract=True,
    print_lowres=True,
    print_highres=True,
    modify_annotation=False,
    modify_assembly=False,
    modify_form=False,
    modify_other=False,
)


@dataclass(frozen=True)
class Recipient:
    """Somebody who gets reports under a password of their own.

    Raises:
        ReportError: the name is no file's name, or the password is too short or too long; names no password.
    """

    name: str  # letters, digits, hyphens and underscores, 32 at most: it becomes the name of a folder
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ReportError(
                f"recipient '{self.name[:40]}': must have 1 to 32 letters, digits, hyphens or underscores, and begin "
                "with a letter or digit"
            )
        if len(self.password) < SHORTEST_PASSWORD or len(self.password.encode()) > LONGEST_PASSWORD:
            raise ReportError(
                f"recipient {self.name}: the password must have {SHORTEST_PASSWORD} characters or more, and "
                f"{LONGEST_PASSWORD} bytes at most"
            )


def protected(pdf: bytes, recipient: Recipient) -> bytes:
    """The same document, tags and title included, under the recipient's password.

    Two calls give different bytes, as each file gets keys of its own. The owner's password, which would lift the
    permissions, is random and kept nowhere.
    """
    encryption = pikepdf.Encryption(
        owner=secrets.token_urlsafe(32), user=recipient.password, R=6, allow=PERMISSIONS, aes=True, metadata=True
    )
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(target, encryption=encryption)
    return target.getvalue()
