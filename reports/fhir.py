"""A patient's report as a FHIR R4 (4.0.1) bundle: an Observation per measure, the PDF in a DiagnosticReport, the model.

The bundle is a collection, not a transaction: the receiver decides what to do with it. Everything is `preliminary`,
because nobody has reviewed it when it is written. It contains no time of writing, so the same report and PDF give the
same bytes. That is why there is no `issued`, and no Provenance, which would need the time of recording. Identifiers
follow from patient, day and measure, so a report that is made again replaces the earlier one.

The code systems are our own, unregistered URNs, because no LOINC or SNOMED CT code exists for these measures. A
receiver can map them or show their text; docs/reports.md lists them.
"""

# mypy: untyped-calls-exclude=fhirclient
import base64
import hashlib
import json
import uuid
from typing import Any

from fhirclient.models.bundle import Bundle
from fhirclient.models.fhirabstractbase import FHIRValidationError

from pmfer.errors import ReportError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_BY_NUMBER
from reports.data import CarriedFinding, Origin
from reports.findings import Finding, Lack, Stage, State
from reports.measures import MEASURE_BY_KEY, Unit
from reports.patient import PatientReport

NAMESPACE = uuid.UUID("52d0bb4e-9da7-4b8b-9d48-292cc52ac630")  # of our UUIDs of version 5; must never change
STATUS = "preliminary"
CONCLUSION = (
    "Compared only with this patient's own earlier days. This report asks staff who know the patient to have a look; "
    "it makes no diagnosis and does not measure pain."
)

MEASURE_CODES = "urn:pmfer:measure"  # code system: the keys of reports.measures
COMPONENTS = "urn:pmfer:component"  # code system: what an observation has besides its value
RULES = "urn:pmfer:rule"  # code system: reports.measures.Rule
STAGES = "urn:pmfer:stage"  # code system: reports.findings.Stage
REPORTS = "urn:pmfer:report"  # identifiers of reports and observations, and the code of a report
PATIENTS = "urn:pmfer:patient"  # identifiers of patients: the pseudonyms
BUNDLES = "urn:pmfer:bundle"  # identifiers of models: the digest of the bundle card
UCUM = "http://unitsofmeasure.org"
INTERPRETATIONS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT_REASONS = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

# High and low refer to the patient's own limits, as the text says; referenceRange contains them.
INTERPRETATION: dict[State, tuple[str, str, str]] = {
    State.HIGHER: ("H", "High", "higher than usual for this patient"),
    State.LOWER: ("L", "Low", "lower than usual for this patient"),
    State.USUAL: ("N", "Normal", "as usual for this patient"),
}
WITHIN_LIMITS = "within this patient's alarm limits"  # without a flag, but outside the usual range or told as different
SO_FAR = "no change seen so far; the usual range is based on so few days that even a large change may not show yet"
STAGE_TEXTS: dict[Stage, str] = {
    Stage.NEW: "flag, new on this day",
    Stage.OPEN: "flag from an earlier day, not back to usual yet",
    Stage.BACK: "back to the usual range within the last days",
    Stage.ACCEPTED: "new usual level accepted by a person",
    Stage.USUAL: "no flag",
    Stage.NOT_COMPARED: "not compared",
}

# Nothing was recorded, or none of it was scored, so the observation was not made. In all other cases it was attempted
# and the value is unknown.
_NOT_PERFORMED = (Lack.NO_SESSION, Lack.ALL_SET_ASIDE)

# Factor from the stored value, printed name, UCUM code; braces mark annotations that UCUM has no unit for.
UNITS: dict[Unit, tuple[float, str, str]] = {
    Unit.TIME_SHARE: (100.0, "% of the observed time, estimated", "%"),
    Unit.SCALE: (100.0, "points on a scale of 0 to 100", "{score}"),
    Unit.PER_MINUTE: (1.0, "per minute of the observed time", "/min"),
}

_NAMES = {
    "pain_activity": "Pain-related facial activity, mean of the scored frames; no pain score",
    "expressivity": "Facial expressivity: mean distance from a neutral face over the scored frames",
}

Resource = dict[str, Any]


def patient_fhir(report: PatientReport, pdf: bytes, language: str = "en") -> bytes:
    """The bundle as JSON, UTF-8, validated against the R4 models; see `validate`.

    Args:
        report: one patient's day. Only the pseudonym identifies the patient.
        pdf: the printed report, without a name on it.
        language: of the PDF, BCP 47.

    Raises:
        ReportError: the bundle is not valid, which is a bug in this module.
    """
    device = _device(report.origin)
    findings = (*report.findings, *report.context, *report.phrases)
    observations = [_observation(report, finding, device) for finding in findings]
    conclusion = _diagnostic_report(report, observations, pdf, language)
    bundle = {
        "resourceType": "Bundle",
        "id": _id("bundle", report.patient_id, report.day),
        "type": "collection",
        "entry": [
            {"fullUrl": _url(resource), "resource": resource} for resource in (conclusion, *observations, device)
        ],
    }
    validate(bundle)
    return json.dumps(bundle, indent=1, ensure_ascii=False).encode() + b"\n"


def validate(bundle: Resource) -> None:
    """Check the elements of a bundle and its resources: that they exist, their types, and how often they may occur.

    The models of fhirclient are generated from FHIR 4.0.1. They check neither value sets nor the rules between
    elements; the tests do so for what this module writes.

    Raises:
        ReportError: it is not valid.
    """
    try:
        Bundle(bundle, strict=True)
    except FHIRValidationError as error:
        what = " ".join(str(error).split())
        raise ReportError(f"report as FHIR: not valid R4 ({what}); report this as a bug") from None


def _observation(report: PatientReport, finding: Finding, device: Resource) -> Resource:
    display = _measure_display(finding.key)
    observation = {
        "resourceType": "Observation",
        **_identity("observation", report, finding.key),
        "status": STATUS,
        "category": [{"text": "facial expression monitoring"}],
        "code": _concept(MEASURE_CODES, finding.key, display, display),
        "subject": _subject(report),
        "effectiveDateTime": report.day.isoformat(),
        **_value(finding),
        "method": _method(report.origin),
        "device": {"reference": _url(device), "display": report.origin.bundle_name or "bundle"},
        "referenceRange": _reference_ranges(finding),
        "component": [
            *_components(finding),
            *(_carried(flag) for flag in report.carried if flag.measure == finding.key),
        ],
    }
    return {name: value for name, value in observation.items() if value != []}


def _value(finding: Finding) -> Resource:
    """The day's value and how it compares, or the reason why it is missing or not compared."""
    if finding.value is None:
        return {"dataAbsentReason": _absent_reason(finding.lack)}
    value: Resource = {"valueQuantity": _measure_quantity(finding.key, finding.value)}
    if finding.state in INTERPRETATION:
        return {**value, "interpretation": [_interpretation(finding, finding.value)]}
    reason = finding.lack.value.replace("_", " ") if finding.lack else "unknown"
    return {**value, "note": [{"text": f"Not compared: insufficient data ({reason})."}]}


def _interpretation(finding: Finding, value: float) -> Resource:
    """How the day compares. A value beyond the limits is never called usual, because not every one raises a flag."""
    state, limits, usual = finding.state, finding.baseline, finding.usual
    if state is State.USUAL and limits is not None:
        state = State.HIGHER if value > limits.high else State.LOWER if value < limits.low else state
    code, display, text = INTERPRETATION[state]
    if state is State.USUAL and finding.tentative and not finding.told:
        text = SO_FAR
    elif state is State.USUAL and (finding.told or (usual and not usual[0] <= value <= usual[1])):
        text = WITHIN_LIMITS
    return _concept(INTERPRETATIONS, code, display, text)


def _reference_ranges(finding: Finding) -> list[Resource]:
    """The usual range and the alarm limits, both this patient's own; neither is a norm."""
    if finding.baseline is None:
        return []
    ranges = [("alarm limits", "beyond them a day raises a flag", (finding.baseline.low, finding.baseline.high))]
    if finding.usual is not None:
        ranges.insert(0, ("usual range", "the middle 80 % of the days without a change", finding.usual))
    return [
        {
            "low": _measure_quantity(finding.key, low),
            "high": _measure_quantity(finding.key, high),
            "type": {"text": name},
            "appliesTo": [{"text": "this patient only"}],
            "text": f"{name}: {meaning}, from the first valid days of this model; not a norm",
        }
        for name, meaning, (low, high) in ranges
    ]


def _components(finding: Finding) -> list[Resource]:
    """The flag's stage and dates, the interval of the value, the mean of the last days, and the rules that fired."""
    stage = _concept(STAGES, finding.stage.value, finding.stage.value.replace("_", " "), STAGE_TEXTS[finding.stage])
    components = [_component("stage", "stage of the flag", "valueCodeableConcept", stage)]
    if finding.episode is not None:
        episode = finding.episode
        onset = {"start": episode.onset_from.isoformat(), "end": episode.onset_to.isoformat()}
        components += [
            _component("opened", "first flagged day", "valueDateTime", episode.opened.isoformat()),
            _component(
                "onset", "day on which the change most likely began", "valueDateTime", episode.onset.isoformat()
            ),
            _component("onset-interval", "interval around it, about 80 %", "valuePeriod", onset),
            _component("days-open", "valid days since the first flagged day", "valueInteger", episode.days_open),
        ]
        if episode.closed is not None:
            components.append(
                _component("closed", "day on which it was back", "valueDateTime", episode.closed.isoformat())
            )
    if finding.accepted_on is not None:
        since = finding.accepted_on.isoformat()
        components.append(_component("accepted", "first day of the accepted level", "valueDateTime", since))
    if finding.situations:
        kinds = ", ".join(situation.replace("_", " ") for situation in finding.situations)
        text = "situations in which this and the earlier days were recorded"
        components.append(_component("situations", text, "valueString", kinds))
    if finding.interval is not None:
        low, high = (_measure_quantity(finding.key, bound) for bound in finding.interval)
        text = "95 % interval of the value, from resampled sessions"
        components.append(_component("interval", text, "valueRange", {"low": low, "high": high}))
    if finding.recent is not None:
        mean = _measure_quantity(finding.key, finding.recent)
        text = "weighted mean of the last days; a day beyond an alarm limit counts as if on it"
        components.append(_component("recent", text, "valueQuantity", mean))
    for signal in finding.signals:
        name = signal.rule.value.replace("_", " ")
        text = f"{name}, {signal.state.value}, since {signal.since.isoformat()}"
        rule = _concept(RULES, signal.rule.value, name, text)
        components.append(_component("rule", "rule that raised the flag", "valueCodeableConcept", rule))
    return components


def _carried(flag: CarriedFinding) -> Resource:
    """A flag that was open when the model changed, and that the new model cannot judge yet."""
    text = "first flagged day of a flag that was open under the earlier model"
    opened = _component("carried", text, "valueDateTime", flag.opened.isoformat())
    return opened | {"interpretation": [_concept(INTERPRETATIONS, *INTERPRETATION[flag.state])]}


def _component(code: str, text: str, kind: str, value: object) -> Resource:
    return {"code": _concept(COMPONENTS, code, text, text), kind: value}


def _diagnostic_report(report: PatientReport, observations: list[Resource], pdf: bytes, language: str) -> Resource:
    name = "Facial activity report of one day"
    compared = sum(finding.state in INTERPRETATION for finding in report.findings)
    new = sum(finding.stage is Stage.NEW for finding in report.changes)
    counts = (
        f"{compared} of {len(report.findings)} measures could be compared; new flags: {new}, flags from earlier days "
        f"that are not back to usual yet: {len(report.changes) - new}, flags still open under the earlier model: "
        f"{len(report.carried)}. Recordings that could not be used: {len(report.quarantined)}."
    )
    return {
        "resourceType": "DiagnosticReport",
        **_identity("report", report),
        "status": STATUS,
        "code": _concept(REPORTS, "daily-report", name, name),
        "subject": _subject(report),
        "effectiveDateTime": report.day.isoformat(),
        "result": [{"reference": _url(observation)} for observation in observations],
        "conclusion": f"{counts} {CONCLUSION}",
        "presentedForm": [
            {
                "contentType": "application/pdf",
                "language": language,
                "data": base64.b64encode(pdf).decode(),
                "size": len(pdf),
                # FHIR defines Attachment.hash as SHA-1 in base64; it detects damage, not tampering.
                "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode(),
                "title": f"Facial activity report, patient {report.patient_id}, {report.day.isoformat()}",
            }
        ],
    }


def _device(origin: Origin) -> Resource:
    versions = {
        "bundle digest (SHA-256)": origin.bundle_id,
        "prompt set (SHA-256)": origin.prompt_set_sha256,
        "scoring options (SHA-256)": origin.options_sha256,
        "scoring software": origin.scored_by,
        "report software": origin.software,
    }
    return {
        "resourceType": "Device",
        "id": _id("device", *versions.values()),
        "identifier": [{"system": BUNDLES, "value": origin.bundle_id}],
        "deviceName": [{"name": origin.bundle_name or "bundle", "type": "model-name"}],
        "type": {"text": "Software: model that scores facial expressions and action-unit phrases in video frames"},
        "version": [{"type": {"text": name}, "value": value} for name, value in versions.items() if value],
    }


def _method(origin: Origin) -> Resource:
    text = f"Frames of video scored by the model {origin.bundle_name or 'bundle'}, bundle digest {origin.bundle_id}"
    return _concept(BUNDLES, origin.bundle_id, origin.bundle_name, text)


def _subject(report: PatientReport) -> Resource:
    return {"type": "Patient", "identifier": {"system": PATIENTS, "value": report.patient_id}}


def _identity(kind: str, report: PatientReport, *parts: str) -> Resource:
    value = "-".join(("patient", report.day.isoformat(), report.patient_id, *parts))
    return {
        "id": _id(kind, report.patient_id, report.day, *parts),
        "identifier": [{"system": REPORTS, "value": value}],
    }


def _id(*parts: object) -> str:
    """A UUID that follows from what it identifies (RFC 9562, version 5)."""
    return str(uuid.uuid5(NAMESPACE, json.dumps([str(part) for part in parts])))


def _url(resource: Resource) -> str:
    return f"urn:uuid:{resource['id']}"


def _concept(system: str, code: str, display: str | None, text: str) -> Resource:
    """A CodeableConcept with one coding; people read the text."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding], "text": text}


def _measure_display(key: str) -> str:
    """What a code of MEASURE_CODES means, in one line."""
    column = MEASURE_BY_KEY[key].column
    if key in _NAMES:
        return _NAMES[key]
    if key.startswith("au") and key[2:].isdecimal():
        unit = AU_BY_NUMBER[int(key[2:])]
        return f"AU {unit.number}, {unit.name}: alignment of the face with the phrase; not a FACS intensity"
    if column.removesuffix("_mean") in EXPRESSION_NAMES:
        return f"Expression of {column.removesuffix('_mean')}: mean probability over the scored frames"
    return key.replace("_", " ").capitalize()


def _measure_quantity(key: str, value: float) -> Resource:
    """A value in the unit that the report prints, as a Quantity with a UCUM code."""
    factor, name, code = UNITS[MEASURE_BY_KEY[key].unit]
    return {"value": round(factor * value, 2), "unit": name, "system": UCUM, "code": code}


def _absent_reason(lack: Lack | None) -> Resource:
    """Why there is no value: a code of the standard value set, and our reason as text."""
    code, display = ("not-performed", "Not Performed") if lack in _NOT_PERFORMED else ("unknown", "Unknown")
    reason = lack.value.replace("_", " ") if lack else "no value"
    return _concept(ABSENT_REASONS, code, display, f"insufficient data: {reason}")
