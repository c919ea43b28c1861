"""What a facility of any size needs: machines, storage, money and hours per stage of a night; docs/performance.md.

    python -m benchmarks.scale [--patients 100 10000 1000000] [--minutes 10] [--sessions 2] [--hours 6]

This is only arithmetic. `Measured` has the measured figures and where they come from, `Assumed` those that were not
measured.
"""

import argparse
import math
from dataclasses import dataclass

FRAMES_PER_S = 5  # sampled, the default


@dataclass(frozen=True)
class Measured:
    """Figures from docs/, on two shared cores without a GPU."""

    score_core_s: float = 0.045  # core-seconds per second of video, 640 x 360, one face; docs/performance.md
    store_s: float = 0.04  # seconds that a session, stored with 49 others, holds the lake's lock; docs/performance.md
    row_bytes: float = 62.0  # per frame row of a tidied lake, rollups and all else included; docs/performance.md
    report_core_s: float = 0.6  # core-seconds per report, built and rendered; docs/reports.md
    report_bytes: float = 51_000.0  # of a patient's PDF, the first of a simulated ward
    video_bytes_per_s: float = 83_000.0  # of a 640 x 360 H.264 clip


@dataclass(frozen=True)
class Assumed:
    """Figures that were not measured: machines, networks and prices differ from facility to facility."""

    cores: int = 16  # per machine that scores
    busy: float = 0.8  # share of the window in which those cores score; the rest is starting, copying, waiting
    report_cores: int = 16  # of the machine that runs nights and renders
    sidecar_s: float = 0.005  # to list and read one sidecar from a store nearby
    network_bytes_s: float = 1.25e9  # of the source, 10 Gbit/s
    core_hour: float = 0.04  # currency units per core and hour, of a rented machine
    gigabyte_month: float = 0.023  # currency units, object storage
    nights_a_month: int = 30


@dataclass(frozen=True)
class House:
    """How much is recorded, and the available time."""

    patients: int
    sessions: int  # per patient and day
    minutes: float  # per session
    hours: float  # from the start of the night to the last report

    @property
    def video_s(self) -> float:
        """Seconds of video in a night."""
        return self.patients * self.sessions * self.minutes * 60


def stages(house: House, measured: Measured, assumed: Assumed) -> dict[str, float]:
    """Hours of each stage by itself, with as many scoring machines as the window requires."""
    recordings = house.patients * house.sessions
    return {
        "list the source": recordings * assumed.sidecar_s / 3600,
        "copy the videos": house.video_s * measured.video_bytes_per_s / assumed.network_bytes_s / 3600,
        "store the sessions": recordings * measured.store_s / 3600,
        "render the reports": (house.patients + 1) * measured.report_core_s / assumed.report_cores / 3600,
    }


def table(houses: list[House], measured: Measured, assumed: Assumed) -> list[list[str]]:
    """Rows of the table of docs/performance.md, the first with the headings."""
    rows = [["", *(f"{house.patients:,} patients" for house in houses)]]

    def add(name: str, values: list[float], form: str) -> None:
        rows.append([name, *(form.format(value) for value in values)])

    core_hours = [house.video_s * measured.score_core_s / 3600 for house in houses]
    frame_rows = [house.video_s * FRAMES_PER_S for house in houses]
    video = [house.video_s * measured.video_bytes_per_s / 1e9 for house in houses]
    stored = [count * measured.row_bytes * 365 / 1e9 for count in frame_rows]
    printed = [house.patients * measured.report_bytes * 365 / 1e9 for house in houses]
    windows = [house.hours * assumed.busy for house in houses]
    add("video a night, hours", [house.video_s / 3600 for house in houses], "{:,.0f}")
    add("video a night, GB", video, "{:,.0f}")
    add("frame rows a night, millions", [count / 1e6 for count in frame_rows], "{:,.1f}")
    add("scoring, core-hours", core_hours, "{:,.1f}")
    machines = [math.ceil(hours / window / assumed.cores) for hours, window in zip(core_hours, windows, strict=True)]
    add(f"machines of {assumed.cores} cores that score", list(map(float, machines)), "{:,.0f}")
    for name in stages(houses[0], measured, assumed):
        add(f"{name}, hours", [stages(house, measured, assumed)[name] for house in houses], "{:,.2f}")
    add("warehouse, GB a year", stored, "{:,.0f}")
    add("reports, GB a year", printed, "{:,.0f}")
    add(
        "scoring a month, at the assumed price",
        [h * assumed.core_hour * assumed.nights_a_month for h in core_hours],
        "{:,.0f}",
    )
    storage = [(one + other) * assumed.gigabyte_month for one, other in zip(stored, printed, strict=True)]
    add("storage a month after a year", storage, "{:,.0f}")
    rows.append(["first to saturate", *(saturated(house, measured, assumed) for house in houses)])
    return rows


def saturated(house: House, measured: Measured, assumed: Assumed) -> str:
    """The stage that takes most of the window, and its share; scoring machines are added as needed."""
    hours = stages(house, measured, assumed)
    name = max(hours, key=lambda stage: hours[stage])
    return f"{name}: {hours[name] / house.hours:.0%} of the window"


def largest(house: House, measured: Measured, assumed: Assumed) -> int:
    """Number of patients at which the first stage fills the window."""
    return int(house.patients * house.hours / max(stages(house, measured, assumed).values()))


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    parser.add_argument("--sessions", type=int, default=2, help="per patient and day")
    parser.add_argument("--minutes", type=float, default=10.0, help="per session")
    parser.add_argument("--hours", type=float, default=6.0, help="from the start to the last report")
    options = parser.parse_args()
    houses = [House(count, options.sessions, options.minutes, options.hours) for count in options.patients]
    measured, assumed = Measured(), Assumed()
    heading, *rows = table(houses, measured, assumed)
    print(f"| {' | '.join(heading)} |")
    print(f"| {' | '.join(['---'] * len(heading))} |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(f"\nOne lake, one night's run: {largest(houses[0], measured, assumed):,} patients at most.")


if __name__ == "__main__":
    main()
