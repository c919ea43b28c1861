"""The exported model bundle: a folder with `model.onnx`, `bundle.json` and `MODEL_CARD.md`.

A bundle may also have `model.int8.onnx`, the same model in int8 for CPUs on which that is faster.

Loading fails closed: a missing file, another format version, an edited card or weights whose hash differs raise
BundleError, and nothing is inferred from a file's name. The card contains everything that inference needs.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmfer.errors import BundleError
from pmfer.facs import is_refused

if TYPE_CHECKING:  # the settings import this module for every command, and must not wait for numpy
    import numpy as np
    from numpy.typing import NDArray

FORMAT_VERSION = 1
CARD_FILE = "bundle.json"
WEIGHTS_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
MODEL_CARD_FILE = "MODEL_CARD.md"
FILES = (CARD_FILE, WEIGHTS_FILE, INT8_FILE, MODEL_CARD_FILE)
DEFAULT_BUNDLE = "pmfer-compact"
BUNDLES_DIR = Path(__file__).parent / "bundles"


@dataclass(frozen=True)
class InputSpec:
    """What the graph's `faces` input expects: float32 [N, channels, size_px, size_px], (value / 255 - mean) / std."""

    size_px: int
    channels: int  # 1 grey (ITU-R BT.601 luma), 3 RGB
    mean: tuple[float, ...]  # by channel, for values in 0..1
    std: tuple[float, ...]  # by channel, for values in 0..1

    def normalised(self, crops: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Normalise crops [N, S, S] grey or [N, S, S, 3] RGB for the graph: float32 [N, channels, S, S].

        Grey crops also fit a colour graph: the one plane becomes three.
        """
        import numpy as np

        mean, std = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (self.mean, self.std))
        planes = crops[:, None] if crops.ndim == 3 else crops.transpose(0, 3, 1, 2)
        return np.asarray((planes.astype(np.float32) / 255 - mean) / std, np.float32)


@dataclass(frozen=True)
class CropGeometry:
    """How to get from a detector's box (x, y, w, h in pixels) to the square crop that frames a face like in training.

    With s = sqrt(w * h), the crop's side is `side * s`, and its centre is the box centre plus (`dx * s`, `dy * s`).
    """

    side: float
    dx: float
    dy: float


@dataclass(frozen=True)
class AuPhrase:
    """One `au_phrase` output of the graph: for an action unit, or for an additional phrase (pmfer/own_phrases.py)."""

    au: int | None  # number of the action unit; None: the phrase describes no action unit
    column: str
    region: str | None  # None: no particular region
    phrase: str
    seen_in_training: bool  # whether exactly this wording was in training


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
    calibration: dict[str, Any]  # fields of decision.Decision; bundles of earlier releases only have its temperature
    training: dict[str, Any]  # data, its terms, configuration, code version
    metrics: dict[str, Any]  # figures with their protocol
    int8_sha256: str | None = None  # of `model.int8.onnx`; None: the bundle has no such file

    @property
    def visible_from(self) -> dict[str, float]:
        """Visible share of each region below which it counts as covered, in the order of the `visibility` output.

        Empty if the model does not tell what is covered.
        """
        limits: dict[str, float] = self.calibration.get("visible_from", {})
        return limits

    def covered(self, visible: "NDArray[np.float32]") -> "tuple[NDArray[np.bool_], NDArray[np.bool_]]":
        """By the visible shares [N, R] of the regions: which are covered, [N, R], and which faces are refused, [N]."""
        import numpy as np

        covered = visible < np.array(list(self.visible_from.values()), np.float32)
        regions = np.array(list(self.visible_from))
        return covered, np.array([is_refused(regions[face].tolist()) for face in covered], bool)


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk. `digest` (64 hex digits) identifies it wherever results are stored."""

    path: Path
    card: BundleCard
    digest: str

    @property
    def address(self) -> str:
        """What to pass to `load_bundle` on another machine: the name of a shipped bundle, or the folder."""
        return self.path.name if self.path.parent == BUNDLES_DIR else str(self.path.absolute())

    @property
    def weights(self) -> Path:
        """The verified `model.onnx`."""
        return self.path / WEIGHTS_FILE

    @property
    def int8_weights(self) -> Path | None:
        """The verified `model.int8.onnx`; None if the bundle has none."""
        return self.path / INT8_FILE if self.card.int8_sha256 else None

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Names of the score columns in output order: expressions, action units, additional phrases."""
        return self.card.expressions + tuple(phrase.column for phrase in self.card.au_phrases)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits; the file is read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def card_digest(card: BundleCard) -> str:
    """SHA-256 of the card's canonical JSON (sorted keys, no whitespace): the bundle's identity."""
    canonical = json.dumps(_fields(card), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def write_card(folder: Path, card: BundleCard) -> str:
    """Write `bundle.json` with its digest to `folder` and return the digest."""
    digest = card_digest(card)
    document = {"digest": digest, **_fields(card)}
    (folder / CARD_FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return digest


def _fields(card: BundleCard) -> dict[str, Any]:
    """The card as JSON values. Without an int8 file its key is left out, so that older bundles keep their digest."""
    fields = asdict(card)
    if card.int8_sha256 is None:
        del fields["int8_sha256"]
    return fields


def resolve_bundle(name_or_path: str | Path = DEFAULT_BUNDLE) -> Path:
    """Folder of a bundle given by name or path.

    A name without a separator means a folder of that name in the working directory or, if there is none, a bundle
    shipped in `pmfer/bundles/`. Anything else is a path.

    Raises:
        BundleError: there is no such folder.
    """
    path = Path(name_or_path)
    folder = BUNDLES_DIR / path if len(path.parts) == 1 and not path.is_dir() else path
    if not folder.is_dir():
        shipped = ", ".join(sorted(p.name for p in BUNDLES_DIR.glob("*") if p.is_dir())) or "none"
        raise BundleError(f"bundle {name_or_path}: no such folder; give a path or a shipped bundle's name ({shipped})")
    return folder


def load_bundle(name_or_path: str | Path = DEFAULT_BUNDLE) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: a file is missing, the card is malformed, altered or of another format version, or the weights do
            not match the card.
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
    """Find the bundle with a given digest on this machine.

    Args:
        digest: 64 hex digits.
        addresses: where to look, each a name or path for `load_bundle`.

    Raises:
        BundleError: none of them is that bundle; the message says what each of them is.
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
    """Check that a file of weights exists and matches the hash on the card."""
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
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {path.parent}: {CARD_FILE} lacks or misstates a field ({error!r})") from None


def _parse_card(document: dict[str, Any]) -> BundleCard:
    spec = document["input"]
    columns = [*document["expressions"], *(phrase["column"] for phrase in document["au_phrases"])]
    if len(set(columns)) != len(columns):
        raise ValueError("two outputs have the same score column")
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
