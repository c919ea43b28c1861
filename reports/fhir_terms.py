"""Codes of the FHIR bundle: our own code systems, and which code of a standard value set says what a report says.

Ours are URNs that nobody registered, because no LOINC or SNOMED CT code stands for what these measures are: a receiver
maps them or shows their text. docs/reports-formats.md lists them.
"""

from typing import Any

from pmfer.facs import AU_BY_NUMBER
from reports.measures import MEASURE_BY_KEY, Unit
from reports.trend import Lack, State

MEASURES = "urn:pmfer:measure"  # code system: the keys of reports.measures
COMPONENTS = "urn:pmfer:component"  # code system: what an observation carries beside its value
RULES = "urn:pmfer:rule"  # code system: reports.trend.Rule
REPORTS = "urn:pmfer:report"  # identifiers of reports and observations, and the code of a report
PATIENTS = "urn:pmfer:patient"  # identifiers of patients: the pseudonyms
BUNDLES = "urn:pmfer:bundle"  # identifiers of models: the digest of the bundle card
UCUM = "http://unitsofmeasure.org"
INTERPRETATIONS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT_REASONS = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

# Higher and lower speak of the patient's own usual days, which the text says; referenceRange gives their range.
INTERPRETATION: dict[State, tuple[str, str, str]] = {
    State.HIGHER: ("H", "High", "higher than usual for this patient"),
    State.LOWER: ("L", "Low", "lower than usual for this patient"),
    State.USUAL: ("N", "Normal", "as usual for this patient"),
}

# Nothing was recorded, or nothing of it was scored: the observation was not made. In all other cases it was attempted,
# and there is a value that is not known.
_NOT_PERFORMED = (Lack.NO_SESSION, Lack.ALL_SET_ASIDE)

# Factor from the stored value, printed name, and code of UCUM; braces hold what UCUM has no unit for.
UNITS: dict[Unit, tuple[float, str, str]] = {
    Unit.TIME_SHARE: (100.0, "% of the observed time", "%"),
    Unit.SCALE: (100.0, "points on a scale of 0 to 100", "{score}"),
    Unit.PER_MINUTE: (1.0, "per minute of the observed time", "/min"),
}

_NAMES = {
    "pain_activity": "Pain-related facial activity, mean of the scored frames; no pain score",
    "expressivity": "Facial expressivity: mean distance from a neutral face over the scored frames",
}


def concept(system: str, code: str, display: str | None, text: str) -> dict[str, Any]:
    """A CodeableConcept with one coding; the text is what a person reads."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding], "text": text}


def measure_display(key: str) -> str:
    """What a code of MEASURES means, in one line."""
    column = MEASURE_BY_KEY[key].column
    if key in _NAMES:
        return _NAMES[key]
    if key.startswith("au") and key[2:].isdecimal():
        unit = AU_BY_NUMBER[int(key[2:])]
        return f"AU {unit.number}, {unit.name}: alignment of the face with the phrase; not a FACS intensity"
    if column.endswith("_share"):
        expression = column.removesuffix("_share").replace("_", " ")
        return f"Expression of {expression}: share of the scored frames"
    return key.replace("_", " ").capitalize()


def measure_quantity(key: str, value: float) -> dict[str, Any]:
    """A value in the unit that the report prints, as a Quantity with a UCUM code."""
    factor, name, code = UNITS[MEASURE_BY_KEY[key].unit]
    return {"value": round(factor * value, 2), "unit": name, "system": UCUM, "code": code}


def absent_reason(lack: Lack | None) -> dict[str, Any]:
    """Why there is no value: a code of the standard value set, and our reason as text."""
    code, display = ("not-performed", "Not Performed") if lack in _NOT_PERFORMED else ("unknown", "Unknown")
    reason = lack.value.replace("_", " ") if lack else "no value"
    return concept(ABSENT_REASONS, code, display, f"insufficient data: {reason}")
