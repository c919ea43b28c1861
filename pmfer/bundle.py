"""The exported model bundle: a folder with `model.onnx`, `bundle.json` and `MODEL_CARD.md`.

A bundle may also have `model.int8.onnx`, the same model in eight bits for CPUs that gain from it.

Loading fails closed: a missing file, another format version, a card that was edited or weights whose hash differs raise
BundleError, and nothing is inferred from a file's name. The card carries everything that inference needs.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmfer.errors import BundleError

if TYPE_CHECKING:  # the settings of every command know a bundle's name, and must not wait for numpy
    import numpy as np
    from numpy.typing import NDArray

FORMAT_VERSION = 1
CARD_FILE = "bundle.json"
WEIGHTS_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
MODEL_CARD_FILE = "MODEL_CARD.md"
DEFAULT_BUNDLE = "pmfer-compact"
BUNDLES_DIR = Path(__file__).parent / "bundles"


@dataclass(frozen=True)
class InputSpec:
    """What the graph's `faces` input expects: float32 [N, channels, size_px, size_px], (value / 255 - mean) / std."""

    size_px: int
    channels: int  # 1 grey (ITU-R BT.601 luma), 3 RGB
    mean: tuple[float, ...]  # by channel, of values in 0..1
    std: tuple[float, ...]

    def normalised(self, crops: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Crops [N, S, S] grey or [N, S, S, 3] RGB as the graph takes them, float32 [N, channels, S, S].

        Grey crops fit a graph in colour too: their one plane becomes three.
        """
        import numpy as np

        mean, std = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (self.mean, self.std))
        planes = crops[:, None] if crops.ndim == 3 else crops.transpose(0, 3, 1, 2)
        return np.asarray((planes.astype(np.float32) / 255 - mean) / std, np.float32)


@dataclass(frozen=True)
class CropGeometry:
    """From a detector's box (x, y, w, h in pixels) to the square crop that frames a face as the training faces are.

    With s = sqrt(w * h): the crop's side is `side * s`, its centre lies at the box centre plus (`dx * s`, `dy * s`).
    """

    side: float
    dx: float
    dy: float


@dataclass(frozen=True)
class AuPhrase:
    """One `au_phrase` output of the graph: an action unit's, or that of an additional phrase (pmfer/own_phrases.py)."""

    au: int | None  # None: a phrase that stands for no action unit
    column: str
    region: str | None  # None: nowhere in particular
    phrase: str
    seen_in_training: bool  # whether training had this very wording


@dataclass(frozen=True)
class BundleCard:
    """The contents of `bundle.json`; see docs/bundle.md for the meaning of each field."""

    name: str
    format_version: int
    weights_sha256: str
    input: InputSpec
    crop: dict[str, CropGeometry]  # by detector name
    expressions: tuple[str, ...]  # order of the `expression` output
    au_phrases: tuple[AuPhrase, ...]  # order of the `au_phrase` output
    prompt_set_sha256: str
    calibration: dict[str, Any]  # of decision.Decision; bundles of earlier releases have its temperature only
    training: dict[str, Any]  # data, its terms, configuration, code version
    metrics: dict[str, Any]  # figures with their protocol
    int8_sha256: str | None = None  # of `model.int8.onnx`; None: the bundle has no such file

    @property
    def visible_from(self) -> dict[str, float]:
        """By region, in the order of the `visibility` output: share below which it is covered; {}: nothing is told."""
        limits: dict[str, float] = self.calibration.get("visible_from", {})
        return limits


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk. `digest` identifies it wherever results are stored (64 hex digits)."""

    path: Path
    card: BundleCard
    digest: str

    @property
    def address(self) -> str:
        """What `load_bundle` finds it by on another machine: the name of a shipped one, or the folder."""
        return self.path.name if self.path.parent == BUNDLES_DIR else str(self.path.absolute())

    @property
    def weights(self) -> Path:
        """The verified `model.onnx`."""
        return self.path / WEIGHTS_FILE

    @property
    def int8_weights(self) -> Path | None:
        """The verified `model.int8.onnx`, for CPUs that gain from it; None if the bundle has none."""
        return self.path / INT8_FILE if self.card.int8_sha256 else None

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Names of the score columns in output order: the expressions, the action units, then additional phrases."""
        return self.card.expressions + tuple(phrase.column for phrase in self.card.au_phrases)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def card_digest(card: BundleCard) -> str:
    """SHA-256 over the card's canonical JSON (sorted keys, no blanks): the bundle's identity."""
    canonical = json.dumps(_fields(card), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def write_card(folder: Path, card: BundleCard) -> str:
    """Write `bundle.json` with its own digest into `folder` and return the digest."""
    digest = card_digest(card)
    document = {"digest": digest, **_fields(card)}
    (folder / CARD_FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return digest


def _fields(card: BundleCard) -> dict[str, Any]:
    """The card as JSON values; an int8 file that is not there is left out, so older bundles keep their digest."""
    fields = asdict(card)
    if card.int8_sha256 is None:
        del fields["int8_sha256"]
    return fields


def resolve_bundle(name_or_path: str | Path = DEFAULT_BUNDLE) -> Path:
    """Folder of a bundle that was named or given as a path.

    A bare name means one of the bundles shipped in `pmfer/bundles/`; anything with a separator is a path.

    Raises:
        BundleError: there is no such folder.
    """
    given = Path(name_or_path)
    folder = BUNDLES_DIR / given if len(given.parts) == 1 and not given.is_dir() else given
    if not folder.is_dir():
        shipped = ", ".join(sorted(p.name for p in BUNDLES_DIR.glob("*") if p.is_dir())) or "none"
        raise BundleError(f"bundle {name_or_path}: no such folder; give a path or a shipped bundle's name ({shipped})")
    return folder


def load_bundle(name_or_path: str | Path = DEFAULT_BUNDLE) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: a file is missing, the card is malformed, altered or of another version, or the weights differ.
    """
    folder = resolve_bundle(name_or_path)
    card, stated = _read_card(folder / CARD_FILE)
    if card_digest(card) != stated:
        raise BundleError(
            f"bundle {folder}: {CARD_FILE} was altered (its digest does not match); export the bundle again"
        )
    _verify(folder, WEIGHTS_FILE, card.weights_sha256)
    if card.int8_sha256:
        _verify(folder, INT8_FILE, card.int8_sha256)
    return Bundle(folder, card, stated)


def find_bundle(digest: str, *addresses: str) -> Bundle:
    """The bundle with a digest, wherever it lies on this machine.

    Args:
        digest: 64 hex digits.
        addresses: where to look, as load_bundle takes them.

    Raises:
        BundleError: none of them is that bundle; says what each of them is.
    """
    found = []
    for address in dict.fromkeys(addresses):
        try:
            bundle = load_bundle(address)
        except BundleError as error:
            found.append(str(error).partition("; ")[0])
            continue
        if bundle.digest == digest:
            return bundle
        found.append(f"{address} is {bundle.digest}")
    raise BundleError(f"bundle {digest}: not on this machine ({'; '.join(found)})")


def _verify(folder: Path, name: str, sha256: str) -> None:
    """Check that a file of weights is the one that the card was written for."""
    weights = folder / name
    if not weights.is_file():
        raise BundleError(f"bundle {folder}: {name} is missing; restore the folder or export the bundle again")
    if sha256_file(weights) != sha256:
        raise BundleError(
            f"bundle {folder}: {name} does not match its sha256 in {CARD_FILE}; restore the file, do not use it"
        )


def _read_card(path: Path) -> tuple[BundleCard, str]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"bundle {path.parent}: {CARD_FILE} is missing; export the bundle again") from None
    except (OSError, ValueError) as error:
        raise BundleError(
            f"bundle {path.parent}: {CARD_FILE} is unreadable ({error}); export the bundle again"
        ) from None
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"bundle {path.parent}: format version {version}, this release reads {FORMAT_VERSION}; export it again"
        )
    try:
        return _parse_card(document), str(document["digest"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {path.parent}: {CARD_FILE} lacks or misstates a field ({error!r})") from None


def _parse_card(document: dict[str, Any]) -> BundleCard:
    spec = document["input"]
    columns = [*document["expressions"], *(phrase["column"] for phrase in document["au_phrases"])]
    if len(set(columns)) != len(columns):
        raise ValueError("a score column is there twice")
    return BundleCard(
        name=document["name"],
        format_version=document["format_version"],
        weights_sha256=document["weights_sha256"],
        input=InputSpec(spec["size_px"], spec["channels"], tuple(spec["mean"]), tuple(spec["std"])),
        crop={detector: CropGeometry(**geometry) for detector, geometry in document["crop"].items()},
        expressions=tuple(document["expressions"]),
        au_phrases=tuple(AuPhrase(**phrase) for phrase in document["au_phrases"]),
        prompt_set_sha256=document["prompt_set_sha256"],
        calibration=dict(document["calibration"]),
        training=dict(document["training"]),
        metrics=dict(document["metrics"]),
        int8_sha256=document.get("int8_sha256"),
    )
