"""Figures that several pages give are the same on each, and those that the code has are the code's."""

import re
from pathlib import Path

from inference.crop import MEMORY_BYTES

ROOT = Path(__file__).parents[1]


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def number(pattern: str, text: str) -> float:
    """The one number that a pattern finds."""
    (found,) = set(re.findall(pattern, text))
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
