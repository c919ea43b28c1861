"""Sentences of the ward overview."""

from collections.abc import Sequence

from reports.findings import Lack, State
from reports.fonts import printable
from reports.measures import Thresholds
from reports.ward import WardReport, WardRow
from reports.words.labels import lack_word, measure_words, quarantine_word
from reports.words.language import Language, number_word, percent, sentence, thousands


def headline(say: Language, report: WardReport) -> str:
    """The night in one line."""
    if not report.patients:
        return say("No patient was recorded in the last {days} days.", days=report.thresholds.trend_days)
    patients = number_word(say, report.patients)
    if not report.changed:
        return say.plural(
            "The only patient did not change.",
            "None of {patients} patients changed.",
            report.patients,
            patients=patients,
        )
    told = say.plural(
        "One of {patients} patients changed.",
        "{changed} of {patients} patients changed.",
        len(report.changed),
        changed=number_word(say, len(report.changed)),
        patients=patients,
    )
    return sentence(told)


def ask(say: Language) -> str:
    """What to do where somebody changed."""
    return say("Please look in on these patients first. The report shows that a face moved differently, not why.")


def put_forward(say: Language, report: WardReport) -> str:
    """How many patients are put forward, and that nobody is left out."""
    return say(
        "Put forward: at most {most} patients, the largest change first, each against their own usual range only.",
        most=number_word(say, report.thresholds.alert_budget),
    )


def notes(say: Language, report: WardReport) -> tuple[str, ...]:
    """What stands under the headline."""
    usual, lacking = len(report.usual), len(report.insufficient)
    text = []
    if usual:
        told = say.plural(
            "One patient was as usual.", "{count} patients were as usual.", usual, count=number_word(say, usual)
        )
        text.append(sentence(told))
    if lacking:
        told = say.plural(
            "One patient had too little data to say.",
            "{count} patients had too little data to say.",
            lacking,
            count=number_word(say, lacking),
        )
        text.append(sentence(told))
    return tuple(text)


def others(say: Language, row: WardRow) -> str:
    """The further changes of a patient: `Also higher: sad expression. Also lower: smiling.` Empty if there are none."""
    higher, lower = (
        ", ".join(measure_words(say, finding.key).name for finding in row.changes[1:] if finding.state is state)
        for state in (State.HIGHER, State.LOWER)
    )
    parts = [say("Also higher: {measures}.", measures=higher)] if higher else []
    if lower:
        parts.append(say("Also lower: {measures}.", measures=lower))
    return " ".join(parts)


def seen(say: Language, row: WardRow) -> str:
    """What the patient's day rests on: `Two sessions, 84% of the frames analysed`."""
    text = _sessions(say, row.quality.sessions)
    if row.quality.scored_share is not None:
        text = say(
            "{sessions}, {share} of the frames analysed", sessions=text, share=percent(say, row.quality.scored_share)
        )
    if row.set_aside:
        text = say("{seen}; set aside: {count}", seen=text, count=row.set_aside)
    return sentence(text)


def _sessions(say: Language, number: int) -> str:
    if not number:
        return say("no session")
    return say.plural("one session", "{count} sessions", number, count=number_word(say, number))


def patients(say: Language, names: Sequence[str], letters: int) -> str:
    """Names up to so many letters, and how many more there are."""
    shown: list[str] = []
    for name in map(printable, names):
        if shown and sum(map(len, shown)) + 2 * len(shown) + len(name) > letters:
            break
        shown.append(name)
    more = len(names) - len(shown)
    told = ", ".join(shown)
    return say("{patients} and {count} more", patients=told, count=thousands(say, more)) if more else told


def lacking(say: Language, report: WardReport) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The reasons why patients could not be compared, each with its patients and the count that is short."""
    groups: dict[Lack, list[str]] = {}
    for row in report.insufficient:
        if row.lack is not None:
            groups.setdefault(row.lack, []).append(_short_of(say, row, report.thresholds))
    return tuple((sentence(lack_word(say, lack)), tuple(groups[lack])) for lack in Lack if lack in groups)


def _short_of(say: Language, row: WardRow, thresholds: Thresholds) -> str:
    if row.lack is Lack.NO_BASELINE:
        return say(
            "{patient} ({days} of {needed} days)",
            patient=row.patient_id,
            days=row.days_before,
            needed=thresholds.min_baseline_days,
        )
    if row.lack is Lack.TOO_LITTLE_SEEN:
        return say(
            "{patient} ({scored} of {sampled} frames)",
            patient=row.patient_id,
            scored=thousands(say, row.quality.frames_scored),
            sampled=thousands(say, row.quality.frames_sampled),
        )
    return row.patient_id


def night(say: Language, report: WardReport) -> str:
    """How the recordings of the day went."""
    quality = report.quality
    if not quality.sessions:
        return say("No session was analysed today.")
    told = say.plural(
        "One session was analysed; sessions with enough data: {used}. "
        "The face could be read in {share} of {sampled} frames.",
        "{count} sessions were analysed; sessions with enough data: {used}. "
        "The face could be read in {share} of {sampled} frames.",
        quality.sessions,
        count=number_word(say, quality.sessions),
        used=thousands(say, quality.sessions_used),
        share=percent(say, quality.scored_share),
        sampled=thousands(say, quality.frames_sampled),
    )
    return sentence(told)


def set_aside(say: Language, report: WardReport) -> str:
    """How many sessions were set aside and why; empty if there were none."""
    if not report.set_aside:
        return ""
    total = sum(number for _, number in report.set_aside)
    reasons = "; ".join(f"{quarantine_word(say, reason)} ({number})" for reason, number in report.set_aside)
    told = say.plural(
        "One session was set aside: {reasons}.",
        "{count} sessions were set aside: {reasons}.",
        total,
        count=number_word(say, total),
        reasons=reasons,
    )
    return sentence(told)
