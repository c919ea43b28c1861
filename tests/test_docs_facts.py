"""Figures on several pages agree with each other and with the code, and every link leads to something."""

import re
from pathlib import Path

import pytest

from flows.score_shard import ATTEMPTS, PATIENCE_S, PAUSES_S
from flows.settings import Settings
from flows.sources.sidecar import MAX_MANIFEST_BYTES, MAX_SIDECAR_BYTES
from inference.crop import MEMORY_BYTES
from inference.options import ScoringOptions
from pmfer.datasets.load import MEMORY_LIMIT
from pmfer.own_phrases import MAX_WORDS
from reports.measures import Thresholds

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
MOST_PAGES = 20


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def number(pattern: str, text: str) -> float:
    """The one number that a pattern finds in a text, wherever its lines are wrapped."""
    (found,) = set(re.findall(pattern, " ".join(text.split())))
    return float(found)


def test_crops_wait_in_as_much_memory_as_the_code_says() -> None:
    megabytes = MEMORY_BYTES / 1024**2
    assert number(r"Crops wait in memory up to (\d+) MB", page("inference")) == megabytes
    assert number(r"beyond (\d+) MB on disk", page("training")) == megabytes
    assert number(r"crops beyond (\d+) MB go to", page("performance")) == megabytes


def test_what_a_face_costs_is_what_the_card_of_the_bundle_says() -> None:
    card = (ROOT / "pmfer" / "bundles" / "pmfer-compact" / "MODEL_CARD.md").read_text(encoding="utf-8")
    cost = r"([\d.]+) billion multiply-accumulates"
    assert number(cost, page("performance")) == number(cost, card)


def test_what_a_file_takes_is_what_was_measured_of_the_warehouse() -> None:
    measured = number(r"writer's file, rollups and all else included \| ([\d.]+) bytes", page("warehouse"))
    assert number(r"\| a file \| ([\d.]+) bytes per frame row", page("performance")) == measured
    stored_ms = number(r"as the nightly flow does \| (\d+) ms a session", page("warehouse"))
    assert number(r"(\d+) ms to store a session of 500 frames", page("performance")) == stored_ms


def test_the_table_of_the_ablation_has_as_many_columns_as_are_said_to_be_explained_elsewhere() -> None:
    (heads,) = re.findall(r"^\| arm \| (strict .*) \|$", page("results"), re.MULTILINE)
    accuracies = {"strict", "argmax", "strict_dedup", "occlusion", "pose30", "pose45"}
    others = [name for name in heads.split(" | ") if name not in accuracies]
    assert len(others) == 5
    assert "The last five columns are defined in" in page("results")


def test_no_page_names_a_folder_that_only_its_author_has() -> None:
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "Makefile", ROOT / "README.md"]:
        assert "../shared" not in path.read_text(encoding="utf-8"), path


def anchors(path: Path) -> set[str]:
    """The anchors of a page: its headings, as GitHub writes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(\s*(?!http)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_there_are_few_pages_and_each_begins_with_what_a_reader_can_do() -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in PAGES if path.parent == ROOT / "docs"}
    assert len(pages) <= MOST_PAGES
    begins = re.compile(r"# [^\n]+\n\n(After this page|Look up here)")
    assert [name for name, text in pages.items() if not begins.match(text)] == []


def test_limits_of_a_video_and_its_sidecar_are_the_defaults_of_the_code() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    text = page("source")
    assert number(r"`PMFER_VIDEO_MAX_BYTES` \| (\d+) GiB", text) * 1024**3 == defaults["video_max_bytes"]
    assert number(r"`PMFER_VIDEO_MEMORY_BYTES` \| (\d+) GiB", text) * 1024**3 == defaults["video_memory_bytes"]
    for name in ("max_pixels", "max_frames", "max_s", "wall_s", "cpu_s"):
        (given,) = re.findall(rf"`PMFER_VIDEO_{name.upper()}` \| ([\d,]+)", text)
        assert int(given.replace(",", "")) == defaults[f"video_{name}"]
    assert number(r"\(default (\d+) s; 0 waits for", text) == defaults["source_settle_s"]
    assert number(r"A sidecar may have (\d+) KiB", text) * 1024 == MAX_SIDECAR_BYTES
    assert number(r"manifest may have (\d+) MiB", text) * 1024**2 == MAX_MANIFEST_BYTES


def test_limits_below_which_a_report_abstains_are_those_of_the_code() -> None:
    limits, text = Thresholds(), page("reports")
    assert number(r"\| scored frames per session \| (\d+) ", text) == limits.min_frames_per_session
    assert number(r"\| scored share of a session's sampled frames \| (\d+) %", text) == 100 * limits.min_scored_share
    assert number(r"\| median yaw estimate of a session \| (\d+) ", text) == limits.max_yaw_deg
    assert number(r"\| scored frames per day, and per measure \| (\d+) ", text) == limits.min_frames_per_day
    assert number(r"\| seconds with the face scored \| (\d+) ", text) == limits.min_observed_s
    assert number(r"\| valid days before the day \| (\d+) ", text) == limits.min_baseline_days
    assert number(r"\| usable sessions for an interval \| (\d+) ", text) == limits.min_interval_sessions
    assert number(r"the first (\d+) to \d+ valid days", text) == limits.min_baseline_days
    assert number(r"the first \d+ to (\d+) valid days", text) == limits.max_baseline_days


def test_limits_of_a_face_are_those_of_the_code() -> None:
    options, text = ScoringOptions(), page("inference")
    assert number(r"\| `face_size_px` \| [^|]+ \| (\d+) ", text) == options.min_face_px
    assert number(r"\| `brightness` \| [^|]+ \| ([\d.]+) ", text) == options.min_brightness
    assert number(r"\| not stored \| share of [^|]+ \| ([\d.]+) ", text) == options.max_washed_out
    assert number(r"\| `sharpness` \| [^|]+ \| ([\d.]+) ", text) == options.min_sharpness
    assert number(r"\| not stored \| evenness: [^|]+ \| ([\d.]+) ", text) == options.min_evenness
    assert number(r"With `detector_size_px` (\d+)", text) == options.detector_size_px
    assert number(r"With the default of ([\d.]+) looks a second", text) == options.detections_per_second


def test_a_shard_is_tried_as_often_as_the_code_tries_it() -> None:
    assert (ATTEMPTS, PAUSES_S, PATIENCE_S) == (3, (30, 120), 600)
    text = " ".join(page("operations").split())
    assert "in three attempts at most" in text
    assert "30 s and then two minutes later" in text
    assert "ten minutes at most" in text


def test_sizes_of_training_are_those_of_the_code() -> None:
    assert number(r"Up to (\d+) GiB of pictures", page("training")) * 1024**3 == MEMORY_LIMIT
    assert number(r"in at most (\d+) words", page("bundle")) == MAX_WORDS
