"""Text of others in lines of ours: names and messages from the source may hold anything."""

MAX_CHARACTERS = 300  # of a name or message in a line; whatever is longer was made to be


def escaped(text: str, keep: str = "") -> str:
    r"""`text` with everything that a terminal or a log could obey written as an escape.

    Control characters, line breaks, marks that turn the direction of writing, and bytes that are no UTF-8 (which Python
    keeps as surrogates) become `\xNN` or `\uNNNN`, except for the characters to `keep`.
    """
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def printable(text: str) -> str:
    """`text` on one line, escaped; what is too long is cut."""
    kept = escaped(text)
    return kept if len(kept) <= MAX_CHARACTERS else f"{kept[:MAX_CHARACTERS]}..."


def is_plain(name: str) -> bool:
    """Whether a file's name can stand in tables and lines as it is."""
    return name.isprintable() and len(name) <= MAX_CHARACTERS


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, see os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
