"""A user's own phrases go from a TOML file to score columns, and every column belongs to its phrase."""

import random
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch
from exported import OWN, Exported, exported_once

from flows.job import make_job
from flows.plan import PendingSession
from flows.request import RunRequest
from flows.scoring import ScoredSession, bundle_record, session_result
from flows.sources.recordings import Recording
from flows.sources.sidecar import Sidecar
from inference.model import ExpressionModel
from inference.options import ScoringOptions
from inference.score import Scorer
from pmfer.bake import InferenceModel, bake
from pmfer.bundle import Bundle, CropGeometry, load_bundle, write_card
from pmfer.checkpoint import load_checkpoint
from pmfer.datasets import read_ferplus
from pmfer.datasets.load import read_measured_faces
from pmfer.decision import Decision
from pmfer.errors import BundleError, ConfigurationError, TrainingError
from pmfer.export import export_bundle
from pmfer.expressions import EXPRESSION_NAMES, EXPRESSIONS
from pmfer.facs import ACTION_UNITS, AU_BY_NUMBER, AU_COLUMNS
from pmfer.frame_row import ROW_NAMES
from pmfer.own_phrases import (
    RESERVED_COLUMNS,
    STANDARD_PHRASES,
    phrase_set,
    phrase_set_sha256,
    read_phrases,
    read_trained_phrases,
    trained_words,
)
from pmfer.prompts import (
    AU_COUNT,
    PHRASES,
    collate,
    default_tokenizer,
    face_prompt,
    phrase_prompt,
    prompt_set_sha256,
    sample_prompt,
)
from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face
from warehouse.connection import open_writer
from warehouse.dictionary import render_dictionary
from warehouse.store import store_sessions

CROP = {"centerface": CropGeometry(1.1, 0.0, 0.0)}

# What the phrases of a unit must say according to FACS: each wording has a word of every group. Taken from the names in
# the manual, not from pmfer/facs.py, so that swapped phrases are noticed.
BROW, EYE, LIP, NOSE = "brow", "eye|lid", "lip|mouth|teeth", "nose"
MEANING: dict[int, tuple[str, ...]] = {
    1: (BROW, "inner|middle|nose", "up|upwards|raised|lifted"),
    2: (BROW, "outer|sides|temples", "up|upwards|raised|lifted|arched"),
    4: (BROW, "lowered|down|low|furrow|together"),
    5: ("eye|lid|iris", "raised|wide|widened|up|above"),
    6: ("cheek|eye", "raised|lifted|up|crinkles|crow's"),
    7: ("lid", "tight|tightened|tense|tensed|squinting"),
    9: (NOSE, "wrinkled|wrinkles|crinkled|scrunched|upwards"),
    10: ("lip", "up|lifted|raised"),
    12: (LIP, "up|upwards"),
    14: ("corner", "dimple|dimpled|tightened|pressed|tucked"),
    15: (LIP, "down|downwards|sagging"),
    16: ("lip", "lower|bottom|lowered", "down|downwards|lowered|dropped"),
    17: ("chin", "raised|up|lifted|puckered"),
    20: (LIP, "sideways|wide|straight|horizontally"),
    23: (LIP, "tightened|thin|narrowed|rolled|tightly"),
    24: (LIP, "pressed|squeezed|pushed|firmly|clamped"),
    25: (LIP, "parted|gap|open|between|apart"),
    26: ("jaw", "dropped|hanging|open|lowered"),
    27: ("mouth|jaw", "wide|gaping|far|vertically", ""),
    43: (EYE, "closed|shut|lowered"),
}
EMOTIONS = """
neutral happy happiness joy joyful glad pleased smile smiling laugh laughing grin surprise surprised astonished amazed
startled sad sadness sorrow unhappy crying tearful gloomy anger angry furious rage mad annoyed irritated disgust
disgusted revolted repelled fear fearful afraid scared frightened terrified anxious worried contempt contemptuous
scorn smug disdain pain painful hurt suffering agony grimace wince emotion feeling mood upset calm bored
"""
# torch's exporter uses what torch itself has declared old
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


def write(folder: Path, text: str) -> Path:
    path = folder / "phrases.toml"
    path.write_text(text)
    return path


def test_every_wording_says_what_its_unit_does() -> None:
    assert set(MEANING) == set(AU_BY_NUMBER)
    for unit in ACTION_UNITS:
        for wording in unit.phrases:
            for group in MEANING[unit.number]:
                pattern = rf"\b[a-z']*({group})" if "|" not in group else rf"({group})"
                assert re.search(pattern, wording), f"AU {unit.number}: '{wording}' says nothing of {group}"


@pytest.mark.parametrize(("one", "other"), [(12, 15), (1, 2), (4, 43), (6, 9), (23, 25), (17, 26), (5, 7), (24, 27)])
def test_the_meaning_of_units_tells_swapped_phrases(one: int, other: int) -> None:
    phrases = {one: AU_BY_NUMBER[other].phrases, other: AU_BY_NUMBER[one].phrases}
    found = [
        all(re.search(rf"({group})", wording) for group in MEANING[number])
        for number, wordings in phrases.items()
        for wording in wordings
    ]
    assert not all(found)


def test_no_phrase_and_no_prompt_names_an_expression_or_a_feeling() -> None:
    texts = [wording for phrase in PHRASES for wording in phrase.wordings]
    rng = random.Random(0)
    texts += [sample_prompt(e, rng).text for e in EXPRESSIONS for _ in range(200)]
    texts += [face_prompt([0.3] * AU_COUNT, rng, 0.4).text for _ in range(400)]
    forbidden = {*EMOTIONS.split(), *EXPRESSION_NAMES}
    for text in texts:
        assert not forbidden & set(re.findall("[a-z]+", text.lower())), text


def test_the_vocabulary_keeps_the_order_of_the_columns() -> None:
    assert [phrase.key for phrase in PHRASES[:AU_COUNT]] == list(AU_COLUMNS)
    assert [phrase.wordings for phrase in PHRASES[:AU_COUNT]] == [unit.phrases for unit in ACTION_UNITS]
    assert [phrase.card.column for phrase in STANDARD_PHRASES] == list(AU_COLUMNS)


def test_a_file_rewords_units_in_place_and_adds_phrases_after_them(tmp_path: Path) -> None:
    phrases = phrase_set(read_trained_phrases(write(tmp_path, OWN)))
    assert [phrase.card.column for phrase in phrases] == [*AU_COLUMNS, "jaw_clamped", "au31"]
    smile = phrases[AU_COLUMNS.index("au12")]
    assert smile.wordings == ("mouth corners lifted towards the cheeks",)
    assert (smile.card.au, smile.card.region, smile.card.seen_in_training) == (12, "mouth", False)
    assert (phrases[-2].card.au, phrases[-2].card.region, phrases[-2].card.seen_in_training) == (None, "jaw", False)
    # A wording that was in training counts as seen, whatever its key.
    assert (phrases[-1].card.au, phrases[-1].card.region, phrases[-1].card.seen_in_training) == (31, None, True)
    assert all(p.card.seen_in_training for p in phrases[:AU_COUNT] if p.card.column != "au12")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "contains no phrases"),
        ("[au12", "not valid TOML"),
        ("au12 = 'lips parted'", "au12: Input should be"),
        ("[au12]\nwords = 'lips parted'", "au12: phrase: Field required"),
        ("[au12]\nphrase = 'lips parted'\nwords = 'x'", "au12: words: Extra inputs"),
        ("[au12]\nphrase = ' , '", "au12: the phrase has 1 words"),
        (f"[au12]\nphrase = '{'lips ' * 25}'", "au12: the phrase has 25 words"),
        ("[au12]\nphrase = 'lips parted'\nregion = 'jaw'", "au12: an action unit has its number and region already"),
        ("[Jaw]\nphrase = 'jaw dropped'", "Jaw: not a column name"),
        ("['2nd']\nphrase = 'jaw dropped'", "2nd: not a column name"),
        ("[happiness]\nphrase = 'lips parted'", "happiness: the name of another column"),
        ("[pts_s]\nphrase = 'lips parted'", "pts_s: the name of another column"),
        ("[jaw]\nphrase = 'jaw dropped'\nregion = 'ear'", "jaw: region: Input should be"),
        ("[au31]\nphrase = 'jaw dropped'\nau = 32", "au31: au = 32 contradicts the key"),
    ],
)
def test_a_wrong_file_is_named_with_the_key_and_the_reason(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_phrases(write(tmp_path, text))
    assert complaint in str(error.value)
    assert "phrases.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_phrases(tmp_path / "nowhere.toml")


def test_words_that_training_never_had_are_refused_with_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "[jaw_clenched]\nphrase = 'jaw clenched, a tightening mouth'\nregion = 'jaw'")
    with pytest.raises(ConfigurationError) as error:
        read_trained_phrases(path)
    text = str(error.value)
    assert "\n" not in text
    assert "'clenched'" in text
    assert re.search(r"'tightening' \(near: [^)]*tightened", text)
    assert "Of the jaw it knows: " in text
    assert "'jaw'" not in text
    assert "'mouth'" not in text


@pytest.mark.parametrize("text", ["eyes half-shut 2", "lips parted.", "happiness", "bouche fermée"])
def test_nothing_of_a_phrase_is_dropped_in_silence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="never learnt"):
        read_trained_phrases(write(tmp_path, f"[own]\nphrase = '{text}'"))


def test_trained_words_are_tokens_of_their_own() -> None:
    tokenizer = default_tokenizer()
    numbers = [tokenizer.encode(word) for word in trained_words()]
    assert all(len(tokens) == 1 for tokens in numbers)
    assert tokenizer.encode("unheard")[0] not in {tokens[0] for tokens in numbers}


def test_no_phrase_may_take_the_name_of_another_column() -> None:
    view = re.search(r"## View `frames`.*?\n\n## ", render_dictionary(), re.DOTALL)
    assert view
    stored = set(re.findall(r"^\| `(\w+)`", view[0], re.MULTILINE))
    scores = {*EXPRESSION_NAMES, *AU_COLUMNS}
    assert (stored | set(ROW_NAMES)) - scores == RESERVED_COLUMNS


def test_own_phrases_change_the_identity_of_the_prompts(tmp_path: Path) -> None:
    own = read_phrases(write(tmp_path, OWN))
    assert phrase_set_sha256(()) == prompt_set_sha256()
    assert len({phrase_set_sha256(()), phrase_set_sha256(own), phrase_set_sha256(own[:1])}) == 3


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A checkpoint, the bundle that the command exported from it with own phrases, and the log."""
    return exported_once(tmp_path_factory)


@pytest.fixture(scope="module")
def own(exported: Exported) -> Bundle:
    """The bundle of a checkpoint with a user's own phrases."""
    return load_bundle(exported.bundle)


def scores(bundle: Bundle, images: np.ndarray) -> dict[str, np.ndarray]:
    rows = ExpressionModel(bundle, threads=1).score(images)
    return {column: rows[:, k] for k, column in enumerate(bundle.score_columns)}


@pytest.mark.slow  # `make test` compares each column with torch's score for its phrase, below
def test_a_rebaked_bundle_keeps_what_was_not_reworded(
    own: Bundle, exported: Exported, ferplus: Path, tmp_path: Path
) -> None:
    valid, _ = read_measured_faces(exported.manifest, own.card.input.size_px, kind="manifest")
    plain = export_bundle(exported.checkpoint, tmp_path / "plain", CROP, valid)
    images = read_ferplus(ferplus, "test").images
    before, after = scores(plain, images), scores(own, images)
    assert own.score_columns == (*plain.score_columns, "jaw_clamped", "au31")
    for column in set(plain.score_columns) - {"au12"}:
        np.testing.assert_allclose(after[column], before[column], atol=1e-6, err_msg=column)
    assert np.abs(after["au12"] - before["au12"]).max() > 1e-4
    assert plain.digest != own.digest
    assert own.card.prompt_set_sha256 != plain.card.prompt_set_sha256
    assert "The test split was not looked at." in (plain.path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_every_column_of_the_graph_is_the_alignment_with_its_own_phrase(
    own: Bundle, exported: Exported, ferplus: Path
) -> None:
    assert own.score_columns == (*EXPRESSION_NAMES, *AU_COLUMNS, "jaw_clamped", "au31")
    images = read_ferplus(ferplus, "test").images
    _, model, normalisation, _ = load_checkpoint(exported.checkpoint)
    wordings = {unit.column: unit.phrases for unit in ACTION_UNITS}
    wordings |= {"au12": ("mouth corners lifted towards the cheeks",), "au31": ("lips pressed together",)}
    wordings["jaw_clamped"] = ("jaw and lips clamped together",)
    found = scores(own, images)
    offsets = dict(zip(own.score_columns[len(EXPRESSION_NAMES) :], own.card.calibration["phrase_offsets"], strict=True))
    with torch.no_grad():
        faces = (torch.from_numpy(images)[:, None].float() / 255 - normalisation.mean[0]) / normalisation.std[0]
        local = model.encode_images(faces).local
        for column, texts in wordings.items():
            batch = collate([phrase_prompt(0, text) for text in texts], default_tokenizer())
            phrase = torch.nn.functional.normalize(model.embed_phrases(batch).mean(0, keepdim=True), dim=-1)
            expected = torch.sigmoid(model.alignment(local, phrase)[0][:, 0] + offsets[column]).numpy()
            np.testing.assert_allclose(found[column], expected, atol=2e-3, err_msg=column)
        decision = Decision(**own.card.calibration)
        decision = replace(decision, phrase_offsets=decision.phrase_offsets[:AU_COUNT])
        plain = InferenceModel(model, bake(model), decision).eval()
        expressions, phrases, *_ = (output.numpy() for output in plain(faces))
    for place, column in enumerate(EXPRESSION_NAMES):
        np.testing.assert_allclose(found[column], expressions[:, place], atol=2e-3, err_msg=column)
    for place, column in enumerate(AU_COLUMNS):  # units that were not reworded are unchanged
        apart = np.abs(found[column] - phrases[:, place]).max()
        assert apart < 2e-3 or column == "au12", column


def test_swapped_wordings_bake_swapped_embeddings(checkpoint: Path) -> None:
    _, model, _, _ = load_checkpoint(checkpoint)
    wordings = [unit.phrases for unit in ACTION_UNITS]
    swapped = [wordings[1], wordings[0], *wordings[2:]]
    straight, crossed = (bake(model, texts).phrases for texts in (wordings, swapped))
    torch.testing.assert_close(crossed[[1, 0]], straight[[0, 1]])
    assert not torch.allclose(straight[0], straight[1])


def test_the_card_tells_phrases_and_looks(own: Bundle) -> None:
    text = (own.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| - | `jaw_clamped` | jaw | jaw and lips clamped together | **no** |" in text
    assert "| 12 | `au12` | mouth | mouth corners lifted towards the cheeks | **no** |" in text
    assert "| 31 | `au31` | - | Lips pressed together | yes |" in text
    assert "looked at 3 times" in text


def test_attention_has_a_map_for_every_phrase(own: Bundle) -> None:
    session = onnxruntime.InferenceSession(str(own.weights), providers=["CPUExecutionProvider"])
    (maps,) = session.run(["attention"], {"faces": np.zeros((2, 1, 48, 48), np.float32)})
    assert maps.shape[:2] == (2, AU_COUNT + 2)
    np.testing.assert_allclose(maps.sum((2, 3)), 1, atol=1e-5)


def test_additional_phrases_go_from_a_video_into_the_warehouse(own: Bundle, tmp_path: Path) -> None:
    picture = draw_face(sample_appearance(9000), {12: 1.0}, size=(320, 240))
    blank = np.full_like(picture, 90)
    write_video(tmp_path / "s1.mp4", [picture] * 8 + [blank] * 4, Fraction(5))
    scored = Scorer(own, ScoringOptions(), threads=1).score(tmp_path / "s1.mp4", "s1")
    assert scored.frames.columns[-3:] == ["jaw_clamped", "au31", "pain_activity"]
    seen = scored.frames.filter(pl.col("reason").is_null())
    assert 0 < seen.height < scored.frames.height
    sidecar = Sidecar(session_id="s1", patient_id="p01", started_at=datetime(2026, 3, 2, 9, tzinfo=UTC), consent=True)
    pending = PendingSession(Recording("2026-03-02/s1.mp4", sidecar, 1, "1"), "0" * 64)
    job = make_job(RunRequest(source=str(tmp_path), data_dir=tmp_path / "data", bundle=str(own.path)), date(2026, 3, 2))
    with open_writer(tmp_path / "warehouse.duckdb") as connection:
        result = session_result(ScoredSession(pending, scored.frames, scored.summary), job, "run-1")
        assert store_sessions(connection, bundle_record(job.bundle), [result]) == 1
        stored = connection.execute("SELECT phrase_key, score FROM frame_extra_scores ORDER BY ALL").fetchall()
    expected = [(key, score) for key in ("au31", "jaw_clamped") for score in sorted(seen[key].round(3))]
    assert stored == expected


def test_a_card_with_a_column_twice_is_refused(own: Bundle, tmp_path: Path) -> None:
    twice = replace(own.card, au_phrases=(*own.card.au_phrases, own.card.au_phrases[0]))
    (tmp_path / "model.onnx").write_bytes(own.weights.read_bytes())
    write_card(tmp_path, twice)
    with pytest.raises(BundleError, match="have the same score column"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("given", ["", "model.onnx", "bundle.json"])
def test_a_bundle_has_no_text_side_to_bake_again(own: Bundle, given: str) -> None:
    with pytest.raises(TrainingError, match=r"not a checkpoint; give the checkpoint\.pt"):
        load_checkpoint(own.path / given)


def test_the_command_exports_with_phrases(exported: Exported, own: Bundle) -> None:
    assert "torchvision" not in exported.logged  # of its exporter's own notes
    assert "Skipping" not in exported.logged
    assert own.score_columns[-2:] == ("jaw_clamped", "au31")
    assert own.card.metrics["test_looks"] == 3


def test_the_documentation_shows_a_file_that_is_right(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "bundle.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example
    columns = [phrase.card.column for phrase in read_trained_phrases(write(tmp_path, example[1]))]
    assert columns == ["au43", "jaw_clamped", "au31"]
