"""The words at the top of a patient's report: what is different today, or why nothing can be said."""

# ruff: noqa: RUF001  (typographic apostrophes are meant)
from dataclasses import dataclass

from reports.patient import PatientReport
from reports.quality import Quality
from reports.thresholds import Thresholds
from reports.trend import Lack, State
from reports.words.findings import finding_sentence
from reports.words.formats import long_date, number_word, percent, sentence, thousands
from reports.words.labels import lack_word, measure_words, state_word
from reports.words.language import Language

LISTED_CHANGES = 3  # changes told in full under the headline; the charts mark all of them


@dataclass(frozen=True)
class Lead:
    """The words at the top of a patient's report."""

    headline: str
    changes: tuple[tuple[State, str], ...]  # a sentence per change, the largest first
    ask: str  # what to do now; empty where there is nothing to do
    notes: tuple[str, ...]


def lead(say: Language, report: PatientReport) -> Lead:
    """The headline and what stands under it."""
    if report.changes:
        return _lead_of_changes(say, report)
    if report.lack is None:
        note = say(
            "All {measures} measures lie within the usual range, which rests on {days} earlier days.",
            measures=number_word(say, len(report.trends)),
            days=number_word(say, report.baseline_size),
        )
        told = _told_only(say, report)
        return Lead(say("Today is like this patient’s usual days."), (), "", (told or note, *_cautions(say, report)))
    headline, notes = _lead_of_lack(say, report, report.lack)
    return Lead(headline, (), "", notes)


def _told_only(say: Language, report: PatientReport) -> str:
    """Changes that ask for no look, such as more smiling; empty if there are none."""
    names = [
        say("{measure} {state}", measure=measure_words(say, finding.key).name, state=state_word(say, told[0].state))
        for finding in report.findings
        if (told := finding.told)
    ]
    return say("Noticed all the same, without a flag: {changes}.", changes="; ".join(names)) if names else ""


def ask(say: Language) -> str:
    """What to do where something changed."""
    return say("Please look in on the patient. The face moved differently from other days; this report cannot say why.")


def _lead_of_changes(say: Language, report: PatientReport) -> Lead:
    changes = report.changes
    headline = say.plural(
        "One thing is different today.",
        "{count} things are different today.",
        len(changes),
        count=number_word(say, len(changes)),
    )
    listed = tuple((finding.state, finding_sentence(say, finding)) for finding in changes[:LISTED_CHANGES])
    more = len(changes) - len(listed)
    notes = list(_cautions(say, report))
    if more:
        told = say.plural(
            "One more change is marked below.",
            "{count} more changes are marked below.",
            more,
            count=number_word(say, more),
        )
        notes.insert(0, sentence(told))
    return Lead(sentence(headline), listed, ask(say), tuple(notes))


def _lead_of_lack(say: Language, report: PatientReport, lack: Lack) -> tuple[str, tuple[str, ...]]:
    if lack is Lack.NO_SESSION:
        return say("Insufficient data: no session was recorded today."), (say("There is nothing to compare."),)
    if lack is Lack.ALL_SET_ASIDE:
        headline = say.plural(
            "Insufficient data: the only session of today was set aside.",
            "Insufficient data: all {count} sessions of today were set aside.",
            len(report.set_aside),
            count=number_word(say, len(report.set_aside)),
        )
        return headline, (say("Nothing could be analysed. The reasons are on the second page."),)
    if lack is Lack.NO_BASELINE:
        return _lead_of_no_baseline(say, report)
    headline = say("Insufficient data: {reason}.", reason=lack_word(say, lack))
    return headline, _too_little(say, report.quality, report.thresholds)


def _lead_of_no_baseline(say: Language, report: PatientReport) -> tuple[str, tuple[str, ...]]:
    need = say(
        "A usual range needs {needed} earlier days with enough data; so far there are {days}.",
        needed=number_word(say, report.thresholds.min_baseline_days),
        days=number_word(say, report.days_before),
    )
    until = say("Until then this report shows what was seen and compares nothing.")
    if report.model_since is not None:
        return say("Insufficient data: no usual range with the new model yet."), (_new_model(say, report), need, until)
    if report.sessions_on_record == 1:
        only = say(
            "This is the only session on record. One session is no trend, and there is nothing to compare it with."
        )
        return say("First session: there is no trend yet."), (only, need, until)
    if report.days_before == 0:
        return say("First day: there is no trend yet."), (need, until)
    return say("Insufficient data: no usual range yet."), (need, until, *_cautions(say, report))


def _too_little(say: Language, quality: Quality, thresholds: Thresholds) -> tuple[str, ...]:
    seen = say.plural(
        "{scored} of {sampled} frames of one session could be analysed.",
        "{scored} of {sampled} frames of {sessions} sessions could be analysed.",
        quality.sessions,
        scored=thousands(say, quality.frames_scored),
        sampled=thousands(say, quality.frames_sampled),
        sessions=number_word(say, quality.sessions),
    )
    limits = say(
        "A session counts from {session_frames} frames and {share} of its length, a day from {day_frames} frames.",
        session_frames=thousands(say, thresholds.min_frames_per_session),
        share=percent(say, thresholds.min_scored_share),
        day_frames=thousands(say, thresholds.min_frames_per_day),
    )
    return seen, limits


def _cautions(say: Language, report: PatientReport) -> tuple[str, ...]:
    """What to keep in mind about a day that was compared."""
    notes = []
    if report.quality.sessions_used == 1:
        notes.append(say("Today rests on a single session."))
    if report.set_aside:
        notes.append(set_aside_today(say, report))
    if report.model_since is not None:
        notes.append(_new_model(say, report))
    return tuple(notes)


def set_aside_today(say: Language, report: PatientReport) -> str:
    """How many sessions of the day are in quarantine."""
    told = say.plural(
        "One session of today was set aside.",
        "{count} sessions of today were set aside.",
        len(report.set_aside),
        count=number_word(say, len(report.set_aside)),
    )
    return sentence(told)


def _new_model(say: Language, report: PatientReport) -> str:
    assert report.model_since is not None
    since = long_date(say, report.model_since)
    return say("Since {date} a new model scores the recordings; earlier days are not compared.", date=since)
