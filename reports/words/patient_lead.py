"""The first lines of a patient's report: what changed and what to do, or why nothing can be said."""

# ruff: noqa: RUF001  (typographic apostrophes are meant)
from collections import Counter
from dataclasses import dataclass

from reports.findings import Finding, Lack, Stage
from reports.patient import PatientReport
from reports.words.finding_sentences import outside_usual, symbol
from reports.words.flag_sentences import (
    accepted_sentences,
    back_sentence,
    carried_sentence,
    flag_sentence,
    hidden_movements,
    hidden_sentences,
    new_level_sentence,
    other_times,
    told_sentences,
)
from reports.words.labels import lack_word, situation_word, unusable_recordings
from reports.words.language import (
    Language,
    day_and_month,
    length_in_words,
    long_date,
    number_word,
    percent,
    sentence,
    thousands,
)

LISTED_CHANGES = 3  # changes described under the headline; the charts mark all of them
POORLY_SEEN = 0.5  # share of pictures with a readable face; below this the day is less reliable
MUCH_LESS_SEEN = 2 / 3  # of the patient's usual share; below this the camera may have been moved, for example


@dataclass(frozen=True)
class Lead:
    """The words at the top of a patient's report."""

    headline: str
    changes: tuple[tuple[str, str], ...]  # symbol and sentence of each open flag, new ones first
    ask: str  # what to do now; empty if there is nothing to do
    seen: str  # what the page is based on; empty if nothing was recorded
    notes: tuple[str, ...]


def lead(say: Language, report: PatientReport) -> Lead:
    """The headline and the lines below it."""
    changes = report.changes
    listed = tuple((symbol(finding), flag_sentence(say, finding, report.day)) for finding in changes[:LISTED_CHANGES])
    carried = [carried_sentence(say, flag) for flag in report.carried]
    notes = [*_more_changes(say, len(changes) - len(listed)), *carried, *_life_notes(say, report)]
    if changes:
        day = _cautions(say, report) if report.lack is None else _reasons(say, report)
        notes += [*_of_one_kind(say, report), *other_times(say, report.other_times_since), *day, _general_caution(say)]
        request = ask(say) if report.lack is None else ask_carried(say)
        return Lead(_headline_of_changes(say, changes), listed, request, observed(say, report), tuple(notes))
    if report.lack is not None:
        headline, reasons = _lead_of_lack(say, report, report.lack)
        request = ask_carried(say) if carried else ""
        return Lead(headline, (), request, observed(say, report), (*notes, *reasons))
    notes = [*notes, *_all_clear(say, report), *_of_one_kind(say, report), *_cautions(say, report)]
    return Lead(_quiet_headline(say, report), (), "", observed(say, report), tuple(notes))


def ask(say: Language) -> str:
    """What to do if something changed."""
    return say("Please look in on the patient. The face is moving differently from before; this report cannot say why.")


def ask_carried(say: Language) -> str:
    """What to do if a flag from earlier days could not be compared, or was open when the model changed."""
    return say("Please keep looking in on the patient.")


def observed(say: Language, report: PatientReport) -> str:
    """What the page is based on: how many recordings, how much of the face, and a caution if that is little."""
    quality = report.quality
    if not quality.sessions:
        return ""
    counted = say.plural(
        "one recording", "{count} recordings", quality.sessions, count=number_word(say, quality.sessions)
    )
    share = percent(say, quality.scored_share)
    if quality.seen_s is None or round(quality.seen_s) == 0:
        return say(
            "In {recordings}, the face could be read in {share} of the pictures.", recordings=counted, share=share
        )
    told = say(
        "Seen in {recordings}: {seen} of the face, which could be read in {share} of the pictures.",
        recordings=counted,
        seen=length_in_words(say, quality.seen_s),
        share=share,
    )
    if quality.closed_s:
        closed = length_in_words(say, quality.closed_s)
        told += " " + say("The eyes stayed closed for {closed} of that time.", closed=closed)
    if not report.little_seen:
        return told
    least = length_in_words(say, report.thresholds.min_observed_s)
    little = say("That is not much: with less than {least} of the face, read this page with caution.", least=least)
    return f"{told} {little}"


def unusable(say: Language, report: PatientReport) -> str:
    """How many recordings of the day could not be used, and why; empty if all could."""
    return unusable_recordings(say, Counter(session.reason for session in report.quarantined).most_common())


def new_model(say: Language, report: PatientReport) -> str:
    """That a new model is in use. During a backfill, it has not read every day since its first one."""
    assert report.model_since is not None
    return say(
        "A new computer model is in use. The first day that it has read is {date}; days that it has not read cannot be "
        "compared.",
        date=long_date(say, report.model_since),
    )


def _headline_of_changes(say: Language, changes: tuple[Finding, ...]) -> str:
    new = sum(finding.stage is Stage.NEW for finding in changes)
    still = len(changes) - new
    lasting = say.plural("One ongoing change.", "{count} ongoing changes.", still, count=number_word(say, still))
    if not new:
        return sentence(lasting)
    told = say.plural("One new change.", "{count} new changes.", new, count=number_word(say, new))
    return f"{sentence(told)} {sentence(lasting)}" if still else sentence(told)


def _quiet_headline(say: Language, report: PatientReport) -> str:
    """The headline if no flag is open. Only a day on which nothing differs is called like the usual days."""
    if report.back:
        told = say.plural(
            "One measure is back to usual.",
            "{count} measures are back to usual.",
            len(report.back),
            count=number_word(say, len(report.back)),
        )
        return sentence(told)
    different = len(report.told) + len(hidden_movements(say, report.findings, report.phrases))
    if different:
        told = say.plural(
            "One thing was different, but it does not raise a flag.",
            "{count} things were different, but they do not raise a flag.",
            different,
            count=number_word(say, different),
        )
        return sentence(told)
    if report.partly_compared:
        return say("No change in what could be compared.")
    if report.tentative:
        return say("No change seen so far.")
    if any(outside_usual(finding) for finding in report.findings):
        return say("No change beyond the alarm limits.")
    return say("Like this patient’s usual days.")


def _more_changes(say: Language, more: int) -> list[str]:
    if not more:
        return []
    told = say.plural(
        "One more change is marked below.", "{count} more changes are marked below.", more, count=number_word(say, more)
    )
    return [sentence(told)]


def _life_notes(say: Language, report: PatientReport) -> list[str]:
    """What came back, which levels were accepted or became usual, and what differs without a flag."""
    notes = dict(report.accepted_notes)
    needed = report.thresholds.min_baseline_days
    return [
        *(back_sentence(say, finding) for finding in report.back),
        *accepted_sentences(say, report.accepted, notes, needed),
        *(new_level_sentence(say, finding) for finding in report.findings if finding.new_level and not finding.flagged),
        *told_sentences(say, report.told),
    ]


def _of_one_kind(say: Language, report: PatientReport) -> tuple[str, ...]:
    """The kinds of recordings that were compared, and those that were not; empty if the patient has only one kind.

    All measures rest on the same recordings, so the first one that is compared stands for all.
    """
    compared = next((finding for finding in report.findings if finding.situations and finding.lack is None), None)
    if compared is None:
        return ()
    kinds = _kinds(say, compared.situations)
    told = say("Compared with earlier recordings of the same kind ({kinds}).", kinds=kinds)
    if not compared.left_out:
        return (told,)
    others = say(
        "Not compared, because there are too few earlier recordings of that kind: {kinds}.",
        kinds=_kinds(say, compared.left_out),
    )
    return (f"{told} {others}",)


def _new_situations(say: Language, report: PatientReport) -> list[str]:
    """The situations of a day that cannot be compared because too few earlier days were like it."""
    if report.lack is not Lack.NEW_SITUATION:
        return []
    told = say(
        "So far there are too few earlier days with recordings of this kind ({kinds}): a comparison needs {needed}.",
        kinds=_kinds(say, report.findings[0].left_out),
        needed=number_word(say, report.thresholds.min_situation_days),
    )
    return [told]


def _kinds(say: Language, situations: tuple[str, ...]) -> str:
    return ", ".join(situation_word(say, situation) for situation in situations)


def _all_clear(say: Language, report: PatientReport) -> tuple[str, ...]:
    """How many measures were compared and with how many days, so that nobody reads too much into a quiet page."""
    compared = sum(finding.lack is None for finding in report.findings)
    measures = number_word(say, len(report.findings))
    if compared == len(report.findings):
        told = say("All {measures} measures were compared; none raised a flag.", measures=measures)
    else:
        told = say(
            "{compared} of {measures} measures were compared; none raised a flag.",
            compared=sentence(number_word(say, compared)),
            measures=measures,
        )
    if not report.tentative:
        return told, say("The usual range is based on {days} earlier days.", days=baseline_days(say, report))
    sizes = [finding.baseline.days for finding in report.findings if finding.tentative and finding.baseline]
    days = number_word(say, min(sizes))
    if all(finding.tentative for finding in report.findings if finding.baseline):
        young = say("The usual range is based on only {days} days, so even a large change may not show yet.", days=days)
    else:
        young = say(
            "Some usual ranges are based on only {days} days, so even a large change may not show there.",
            days=days,
        )
    return told, young


def baseline_days(say: Language, report: PatientReport) -> str:
    """How many days the usual ranges are based on: `56`, or `21 to 56` if they differ; empty without any."""
    if report.baseline_sizes is None:
        return ""
    fewest, most = report.baseline_sizes
    if fewest == most:
        return str(most)
    return say("{fewest} to {most}", fewest=fewest, most=most)


def _lead_of_lack(say: Language, report: PatientReport, lack: Lack) -> tuple[str, tuple[str, ...]]:
    if lack is Lack.NO_BASELINE:
        return _lead_of_no_baseline(say, report)
    headline = say("Not compared: {reason}.", reason=lack_word(say, lack))
    return headline, _reasons(say, report)


def _reasons(say: Language, report: PatientReport) -> tuple[str, ...]:
    """What was missing on a day that could not be compared."""
    if report.lack is Lack.NO_SESSION:
        return (say("Nothing was recorded on {date}.", date=day_and_month(say, report.day)), *_last_seen(say, report))
    reasons = [*_new_situations(say, report), *_unusable_note(say, report)]
    if report.lack is Lack.ALL_SET_ASIDE:
        reasons.append(say("The second page lists them."))
    if report.lack in (Lack.TOO_SHORT, Lack.TOO_LITTLE_SEEN, Lack.TOO_DARK, Lack.TOO_BRIGHT, Lack.COVERED):
        reasons.append(
            say(
                "To be compared, a day needs {needed} pictures in which the face can be read; there were {scored}.",
                needed=thousands(say, report.thresholds.min_frames_per_day),
                scored=thousands(say, report.quality.frames_scored),
            )
        )
    return (*reasons, *_last_seen(say, report))


def _last_seen(say: Language, report: PatientReport) -> list[str]:
    """When enough of the face was last seen, unless that was the day before."""
    if report.last_seen is None:
        return [say("In the weeks drawn there is no other day with enough of the face either.")]
    if (report.day - report.last_seen).days == 1:
        return []
    return [say("The last day with enough of the face was {date}.", date=day_and_month(say, report.last_seen))]


def _lead_of_no_baseline(say: Language, report: PatientReport) -> tuple[str, tuple[str, ...]]:
    before = report.days_before
    need = say.plural(
        "A comparison needs {needed} earlier days; so far there is one. Until then this page only shows what was seen.",
        "A comparison needs {needed} earlier days; so far there are {days}. Until then this page only shows what was "
        "seen.",
        before,
        days=number_word(say, before) if before else say("none"),
        needed=number_word(say, report.thresholds.min_baseline_days),
    )
    notes = (need, *_unusable_note(say, report))
    if report.model_since is not None:
        return say("Not compared yet: the computer model is new."), (new_model(say, report), *notes)
    if report.sessions_on_record == 1:
        return say("Not compared yet: this is the first recording."), notes
    if report.days_before == 0:
        return say("Not compared yet: this is the first day."), notes
    return say("Not compared yet: too few earlier days."), notes


def _cautions(say: Language, report: PatientReport) -> tuple[str, ...]:
    """What was not compared, and what makes this particular day less reliable."""
    notes = [*hidden_sentences(say, report.findings, report.phrases), *_first_day_back(say, report)]
    if report.quality.sessions_used == 1:
        notes.append(say("The values come from a single recording."))
    notes += _poorly_seen(say, report)
    notes += _unusable_note(say, report)
    if report.model_since is not None:
        notes.append(new_model(say, report))
    return tuple(notes)


def _poorly_seen(say: Language, report: PatientReport) -> list[str]:
    """A caution if the face could be read in few of the pictures, or in far fewer than on the patient's usual days."""
    share, usual = report.quality.scored_share or 0.0, report.usual_scored_share or 0.0
    if share < MUCH_LESS_SEEN * usual:
        told = say(
            "Less reliable: on most days the face could be read in {usual} of the pictures.", usual=percent(say, usual)
        )
        return [told, say("Please check the camera’s view.")]
    if share < POORLY_SEEN:
        return [say("Less reliable: the face could be read in less than half of the pictures.")]
    return []


def _first_day_back(say: Language, report: PatientReport) -> list[str]:
    """A reminder that the patient was away, or not seen, for so long that averages started again."""
    away = (report.day - report.last_seen).days if report.last_seen else report.thresholds.trend_days
    if away <= report.thresholds.restart_days or not report.days_before:
        return []
    if report.last_seen is None:
        return [say("This is the first day with enough of the face in the weeks drawn.")]
    return [
        say("This is the first day with enough of the face since {date}.", date=day_and_month(say, report.last_seen))
    ]


def _unusable_note(say: Language, report: PatientReport) -> list[str]:
    return [unusable(say, report)] if report.quarantined else []


def _general_caution(say: Language) -> str:
    """What may mislead the model; printed if somebody has to judge a change."""
    return say("Less reliable with glasses, a mask or a tube in front of the face, and with facial palsy or dementia.")
