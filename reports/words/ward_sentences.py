"""Sentences of the ward overview."""

from collections.abc import Sequence
from datetime import date

from reports.findings import Lack, Stage, State
from reports.fonts import drawable
from reports.measures import HEADLINE_MEASURES
from reports.ward import WardReport, WardRow
from reports.words.flag_sentences import hidden_movements, movements_sentence
from reports.words.labels import LONGEST_PLACE, STATE_SYMBOLS, changed_word, lack_word, measure_words, recordings_used
from reports.words.language import Language, clipped, day_and_month, listed, number_word, percent, sentence, thousands


def title(say: Language, report: WardReport) -> str:
    """The heading: the ward's name, or that of the facility's overview."""
    if report.ward:
        return say("Ward {name}", name=clipped(report.ward, LONGEST_PLACE))
    several = len({row.ward for row in report.rows if row.ward}) > 1
    return say("All wards") if several else say("Ward overview")


def headline(say: Language, report: WardReport) -> str:
    """The day in one line. Patients who could not be compared are never called unchanged."""
    if not report.patients:
        return say("Nobody was recorded in the last {days} days.", days=report.thresholds.trend_days)
    new, still = len(report.new), len(report.still_open)
    told = say.plural(
        "One patient has a new change.", "{count} patients have new changes.", new, count=number_word(say, new)
    )
    if new and still:
        lasting = say.plural(
            "One more is not back to usual yet.",
            "{count} more are not back to usual yet.",
            still,
            count=number_word(say, still),
        )
        return f"{sentence(told)} {sentence(lasting)}"
    if new:
        return sentence(told)
    if still:
        return sentence(
            say.plural(
                "One patient is not back to usual yet.",
                "{count} patients are not back to usual yet.",
                still,
                count=number_word(say, still),
            )
        )
    if not report.compared:
        return say("Nobody could be compared.")
    count = number_word(say, report.compared)
    if any(row.told or row.partly_compared for row in report.usual):
        return sentence(
            say.plural(
                "No flag for the one patient compared.",
                "No flag for any of the {count} patients compared.",
                report.compared,
                count=count,
            )
        )
    if any(row.tentative for row in report.usual):
        return sentence(
            say.plural(
                "No change seen so far in the one patient compared.",
                "No change seen so far in the {count} patients compared.",
                report.compared,
                count=count,
            )
        )
    return sentence(
        say.plural(
            "No change in the one patient compared.",
            "No change in the {count} patients compared.",
            report.compared,
            count=count,
        )
    )


def ask(say: Language, report: WardReport) -> str:
    """What to do if somebody changed."""
    return say.plural(
        "Please look in on this patient first. This report shows that a face is moving differently, not why.",
        "Please look in on these patients first. This report shows that a face is moving differently, not why.",
        len(report.changed),
    )


def compared(say: Language, report: WardReport) -> str:
    """How many patients were compared, and how many were not and why."""
    if not report.patients:
        return ""
    lacks = [row.lack for row in report.uncompared if row.lack is not None]
    if not lacks:
        return say.plural(
            "The only patient was compared.",
            "All {count} patients were compared.",
            report.patients,
            count=thousands(say, report.patients),
        )
    reasons = ", ".join(f"{lack_word(say, lack)} ({lacks.count(lack)})" for lack in Lack if lack in lacks)
    if not report.compared:
        return say.plural(
            "The only patient could not be compared: {reasons}.",
            "None of the {count} patients could be compared: {reasons}.",
            report.patients,
            count=thousands(say, report.patients),
            reasons=reasons if report.patients > 1 else lack_word(say, lacks[0]),
        )
    return say.plural(
        "{compared} of {patients} patients were compared; one was not: {reasons}.",
        "{compared} of {patients} patients were compared; {count} were not: {reasons}.",
        len(lacks),
        compared=thousands(say, report.compared),
        patients=thousands(say, report.patients),
        count=thousands(say, len(lacks)),
        reasons=reasons if len(lacks) > 1 else lack_word(say, lacks[0]),
    )


def put_forward(say: Language, lines: int, others: Sequence[object]) -> str:
    """Caption of the patients with a flag: their order, and how many are shown in detail and by name only."""
    order = say("Largest change first.")
    if not others:
        return order
    told = say.plural(
        "One patient is shown in detail, the others are named below.",
        "{count} patients are shown in detail, the others are named below.",
        lines,
        count=number_word(say, lines),
    )
    return f"{order} {sentence(told)}"


def by_change(
    say: Language, rows: Sequence[WardRow], report: WardReport
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Patients with a flag, by their largest change, in the order of the measures: symbol, title and patients."""
    groups: dict[tuple[str, State], list[str]] = {}
    for row in rows:
        groups.setdefault((row.changes[0].key, row.changes[0].direction), []).append(in_list(say, row, report))
    order = [measure.key for measure in HEADLINE_MEASURES]
    return tuple(
        (
            STATE_SYMBOLS[state],
            sentence(
                say("{measure} {changed}", measure=measure_words(say, key).name, changed=changed_word(say, state))
            ),
            tuple(names),
        )
        for (key, state), names in sorted(groups.items(), key=lambda entry: order.index(entry[0][0]))
    )


def group(say: Language, stage: Stage, day: date) -> str:
    """Heading of the patients with new flags, or with flags from earlier days."""
    if stage is Stage.NEW:
        return say("New on {date}", date=day_and_month(say, day))
    return say("From earlier days, not back to usual yet")


def others(say: Language, row: WardRow) -> str:
    """A patient's other flags: `Also higher: sad expression. Also lower: smiling.` Empty if there are none."""
    higher, lower = (
        ", ".join(measure_words(say, finding.key).name for finding in row.changes[1:] if finding.direction is state)
        for state in (State.HIGHER, State.LOWER)
    )
    parts = [say("Also higher: {measures}.", measures=higher)] if higher else []
    if lower:
        parts.append(say("Also lower: {measures}.", measures=lower))
    if movements := _movements(say, row):
        parts.append(movements_sentence(say, movements))
    return " ".join(parts)


def seen(say: Language, row: WardRow) -> str:
    """What the patient's day is based on: `Two recordings, face readable in 84% of pictures`."""
    if row.quarantined and not row.quality.sessions:
        return sentence(
            say.plural(
                "one recording, not usable",
                "{count} recordings, none usable",
                row.quarantined,
                count=number_word(say, row.quarantined),
            )
        )
    text = _recordings(say, row.quality.sessions)
    if row.quality.scored_share is not None:
        share = percent(say, row.quality.scored_share)
        text = say("{recordings}, face readable in {share} of pictures", recordings=text, share=share)
    if row.quarantined:
        text = say("{seen}; not usable: {count}", seen=text, count=row.quarantined)
    return sentence(text)


def _recordings(say: Language, number: int) -> str:
    if not number:
        return say("no recording")
    return say.plural("one recording", "{count} recordings", number, count=number_word(say, number))


def patients(say: Language, names: Sequence[str], letters: int) -> str:
    """Names up to this many letters in total, and the number of the others."""
    shown: list[str] = []
    for name in map(drawable, names):
        if shown and sum(map(len, shown)) + 2 * len(shown) + len(name) > letters:
            break
        shown.append(name)
    more = len(names) - len(shown)
    told = ", ".join(shown)
    return say("{patients} and {count} more", patients=told, count=thousands(say, more)) if more else told


def back(say: Language, report: WardReport) -> tuple[str, ...]:
    """Who came back to usual, in which measure and since when: `p03 (smiling since 19 March)`."""
    told = []
    for row in report.back:
        points = ", ".join(
            say(
                "{measure} since {date}",
                measure=measure_words(say, finding.key).name,
                date=day_and_month(say, finding.episode.closed),
            )
            for finding in row.back
            if finding.episode is not None and finding.episode.closed is not None
        )
        told.append(f"{row.patient_id} ({points})")
    return tuple(told)


def carried(say: Language, report: WardReport) -> tuple[str, ...]:
    """Whose flag was open under the earlier model: `p11 (smiling lower, from about 9 March)`."""
    told = []
    for row in report.carried:
        points = ", ".join(
            say(
                "{measure} {changed}, from about {date}",
                measure=measure_words(say, flag.measure).name,
                changed=changed_word(say, flag.state),
                date=day_and_month(say, flag.onset),
            )
            for flag in row.carried
        )
        told.append(f"{row.patient_id} ({points})")
    return tuple(told)


def everybody_else(say: Language, report: WardReport) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The patients without a flag, grouped by status, most urgent first: pairs of title and patients."""
    rows = [
        (say("Flag open under the earlier model"), carried(say, report)),
        (say("Back to usual"), back(say, report)),
        *_without_flag(say, report.usual),
    ]
    groups: dict[Lack, list[str]] = {}
    for row in report.not_compared:
        if row.lack is not None and not row.carried:
            groups.setdefault(row.lack, []).append(in_list(say, row, report))
    rows += [
        (say("Not compared: {reason}", reason=lack_word(say, lack)), tuple(groups[lack]))
        for lack in Lack
        if lack in groups
    ]
    return tuple((title, names) for title, names in rows if names)


def _without_flag(say: Language, rows: Sequence[WardRow]) -> list[tuple[str, tuple[str, ...]]]:
    """The patients without a flag, by how far the comparison reaches: titles as on their own pages, and patients."""
    titles = [
        say("Different, but no flag"),
        say("No change in what could be compared"),
        say("No change"),
        say("No change seen so far"),
    ]
    groups: list[list[str]] = [[] for _ in titles]
    for row in rows:
        different = row.told or _movements(say, row)
        place = 0 if different else 1 if row.partly_compared else 3 if row.tentative else 2
        groups[place].append(_without_measures(say, row) if place <= 1 else row.patient_id)
    return [(title, tuple(names)) for title, names in zip(titles, groups, strict=True)]


def _without_measures(say: Language, row: WardRow) -> str:
    """A patient with the measures that could not be compared; none if it was recordings that could not."""
    missing = [measure_words(say, finding.key).name for finding in row.findings if finding.lack is not None]
    if not missing:
        return row.patient_id
    places = {"patient": row.patient_id, "measures": listed(say, missing)}
    if movements := _movements(say, row):
        return say(
            "{patient} (stronger than usual: {movements}; not compared: {measures})",
            movements=listed(say, movements),
            **places,
        )
    return say("{patient} (not compared: {measures})", **places)


def _movements(say: Language, row: WardRow) -> tuple[str, ...]:
    return hidden_movements(say, row.findings, row.phrases)


def in_lists(say: Language, rows: Sequence[WardRow], report: WardReport) -> list[str]:
    """Several patients as `in_list` names them."""
    return [in_list(say, row, report) for row in rows]


def in_list(say: Language, row: WardRow, report: WardReport) -> str:
    """A patient in a list; if not compared, with what was missing, or when enough of the face was last seen."""
    thresholds = report.thresholds
    if row.lack is None:
        return row.patient_id
    if row.lack is Lack.NO_BASELINE:
        return say(
            "{patient} ({days} of {needed} days)",
            patient=row.patient_id,
            days=row.days_before,
            needed=thresholds.min_baseline_days,
        )
    if row.lack in (Lack.TOO_LITTLE_SEEN, Lack.TOO_SHORT):
        return say(
            "{patient} ({scored} of {needed} pictures)",
            patient=row.patient_id,
            scored=thousands(say, row.quality.frames_scored),
            needed=thousands(say, thresholds.min_frames_per_day),
        )
    if row.last_seen is not None and (report.day - row.last_seen).days > 1:
        return say("{patient} (last seen on {date})", patient=row.patient_id, date=day_and_month(say, row.last_seen))
    return row.patient_id


def night(say: Language, report: WardReport) -> str:
    """How the recordings of the day went."""
    quality = report.quality
    if not quality.sessions:
        return say("No recording could be used.") if report.quarantined else say("Nothing was recorded.")
    told = recordings_used(say, quality.sessions, quality.sessions_used)
    share = percent(say, quality.scored_share)
    return f"{told} {say('The face could be read in {share} of the pictures.', share=share)}"
