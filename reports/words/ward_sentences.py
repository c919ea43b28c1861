"""Sentences of the ward overview."""

from reports.thresholds import Thresholds
from reports.trend import Lack, State
from reports.ward import WardReport, WardRow
from reports.words.formats import count, number_word, percent, thousands
from reports.words.labels import LACK_WORDS, QUARANTINE_WORDS, WARD_ASK, measure_name


def headline(report: WardReport) -> str:
    """The night in one line."""
    if not report.patients:
        return f"No patient was recorded in the last {report.thresholds.trend_days} days."
    of_all = f"of {count(report.patients, 'patient')}"
    if not report.changed:
        return f"None {of_all} changed."
    return f"{number_word(len(report.changed)).capitalize()} {of_all} changed."


def notes(report: WardReport) -> tuple[str, ...]:
    """What stands under the headline."""
    usual, lacking = len(report.usual), len(report.insufficient)
    text = [WARD_ASK] if report.changed else []
    if usual:
        text.append(f"{count(usual, 'patient').capitalize()} {'was' if usual == 1 else 'were'} as usual.")
    if lacking:
        text.append(f"{count(lacking, 'patient').capitalize()} had too little data to say.")
    return tuple(text)


def others(row: WardRow) -> str:
    """The further changes of a patient: `Also higher: sad expression. Also lower: smiling.` Empty if there are none."""
    parts = []
    for state, word in ((State.HIGHER, "higher"), (State.LOWER, "lower")):
        names = [measure_name(finding.key).lower() for finding in row.changes[1:] if finding.state is state]
        if names:
            parts.append(f"Also {word}: {', '.join(names)}.")
    return " ".join(parts)


def seen(row: WardRow) -> str:
    """What the patient's day rests on: `two sessions, 84 % of frames`."""
    text = count(row.quality.sessions, "session")
    if row.quality.scored_share is not None:
        text += f", {percent(row.quality.scored_share)} of frames"
    return text + (f", {row.set_aside} set aside" if row.set_aside else "")


def lacking(report: WardReport) -> tuple[tuple[str, str], ...]:
    """The reasons why patients could not be compared, each with its patients and the count that is short."""
    groups: dict[Lack, list[str]] = {}
    for row in report.insufficient:
        if row.lack is not None:
            groups.setdefault(row.lack, []).append(row.patient_id + _short_of(row, report.thresholds))
    return tuple((LACK_WORDS[lack], ", ".join(groups[lack])) for lack in Lack if lack in groups)


def _short_of(row: WardRow, thresholds: Thresholds) -> str:
    if row.lack is Lack.NO_BASELINE:
        return f" ({row.days_before} of {count(thresholds.min_baseline_days, 'day')})"
    if row.lack is Lack.TOO_LITTLE_SEEN:
        return f" ({thousands(row.quality.frames_scored)} of {thousands(row.quality.frames_sampled)} frames)"
    return ""


def night(report: WardReport) -> str:
    """How the recordings of the day went."""
    quality = report.quality
    if not quality.sessions:
        return "No session was analysed today."
    sessions = f"{count(quality.sessions, 'session').capitalize()} analysed"
    return (
        f"{sessions}, {number_word(quality.sessions_used)} of them with enough data; the face could be read in "
        f"{percent(quality.scored_share)} of {thousands(quality.frames_sampled)} frames."
    )


def set_aside(report: WardReport) -> tuple[str, ...]:
    """How many sessions were set aside and why; empty if there were none."""
    if not report.set_aside:
        return ()
    total = sum(number for _, number in report.set_aside)
    reasons = "; ".join(f"{QUARANTINE_WORDS[reason]} ({number})" for reason, number in report.set_aside)
    return (f"{count(total, 'session').capitalize()} set aside: {reasons}.",)
