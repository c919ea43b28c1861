"""The FHIR bundle is valid R4: fhirclient checks the structure, these tests the value sets and rules it ignores."""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pmfer.errors import ReportError
from reports import fhir
from reports.fhir import patient_fhir, validate
from reports.findings import Lack, Signal, State
from reports.measures import MEASURES, Rule, Unit
from reports.patient import PatientReport

PDF = b"%PDF-1.7 of a test"

# The value sets of FHIR 4.0.1 with a required binding to an element of the bundle, and the code systems of the codes
# that it takes from HL7.
OBSERVATION_STATUS = {
    "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown",
}  # fmt: skip
REPORT_STATUS = (OBSERVATION_STATUS - {"corrected"}) | {"partial", "corrected", "appended"}
DEVICE_NAME_TYPES = {
    "udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other",
}  # fmt: skip
CODES = {
    fhir.INTERPRETATIONS: {"H": "High", "L": "Low", "N": "Normal"},
    fhir.ABSENT_REASONS: {"unknown": "Unknown", "not-performed": "Not Performed"},
}


def bundle_of(report: PatientReport) -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads(patient_fhir(report, PDF))
    return bundle


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def observations(report: PatientReport) -> dict[str, dict[str, Any]]:
    return {item["code"]["coding"][0]["code"]: item for item in resources(bundle_of(report), "Observation")}


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every element with children, at any depth."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from parts(child)


def test_every_sample_gives_a_valid_bundle_with_an_observation_per_measure(patients: dict[str, PatientReport]) -> None:
    for report in patients.values():
        bundle = bundle_of(report)
        validate(bundle)
        assert bundle["type"] == "collection"
        assert set(observations(report)) == {measure.key for measure in MEASURES}
        assert len(resources(bundle, "DiagnosticReport")) == len(resources(bundle, "Device")) == 1


def test_codes_are_of_their_value_sets_and_rules_between_elements_hold(patients: dict[str, PatientReport]) -> None:
    for report in patients.values():
        bundle = bundle_of(report)
        urls = [entry["fullUrl"] for entry in bundle["entry"]]
        assert len(set(urls)) == len(urls)  # bdl-7
        assert urls == [f"urn:uuid:{entry['resource']['id']}" for entry in bundle["entry"]]
        for part in parts(bundle):
            assert part.get("reference", urls[0]) in urls
            assert part != {}
            if part.get("system") in CODES:
                assert part["display"] == CODES[part["system"]][part["code"]]
        for observation in resources(bundle, "Observation"):
            assert observation["status"] in OBSERVATION_STATUS
            # Rule obs-6, and exactly one of them
            assert ("dataAbsentReason" in observation) != ("valueQuantity" in observation)
            components = [component["code"] for component in observation.get("component", [])]
            assert observation["code"] not in components  # obs-7
            for limits in observation.get("referenceRange", []):
                assert limits["low"]["value"] <= limits["high"]["value"]  # obs-3
        (conclusion,) = resources(bundle, "DiagnosticReport")
        assert conclusion["status"] in REPORT_STATUS
        assert conclusion["effectiveDateTime"] == report.day.isoformat()
        (device,) = resources(bundle, "Device")
        assert {name["type"] for name in device["deviceName"]} <= DEVICE_NAME_TYPES


def test_a_change_is_told_against_the_patients_own_range(patients: dict[str, PatientReport]) -> None:
    observation = observations(patients["pain_rising"])["pain_activity"]
    assert observation["interpretation"][0]["coding"][0]["code"] == "H"
    assert observation["interpretation"][0]["text"] == "higher than usual for this patient"
    usual, limits = observation["referenceRange"]
    assert [part["type"]["text"] for part in (usual, limits)] == ["usual range", "alarm limits"]
    assert observation["valueQuantity"]["value"] > limits["high"]["value"] > usual["high"]["value"]
    assert usual["appliesTo"] == limits["appliesTo"] == [{"text": "this patient only"}]
    assert observation["valueQuantity"]["code"] == "{score}"
    rules = component_values(observation, "rule")
    assert "beyond_limits" in [rule["coding"][0]["code"] for rule in rules]
    assert all(", higher, since 2026-03-" in rule["text"] for rule in rules)
    assert observations(patients["pain_rising"])["smiling"]["valueQuantity"]["code"] == "%"


def component_values(observation: dict[str, Any], code: str) -> list[Any]:
    """The values of the components with this code."""
    found = [part for part in observation["component"] if part["code"]["coding"][0]["code"] == code]
    return [next(value for name, value in part.items() if name.startswith("value")) for part in found]


def test_the_life_of_a_flag_is_in_the_components(patients: dict[str, PatientReport]) -> None:
    lasting = observations(patients["flattening"])["smiling"]
    episode = next(f for f in patients["flattening"].changes if f.key == "smiling").episode
    assert episode is not None
    assert [stage["text"] for stage in component_values(lasting, "stage")] == [
        "flag from an earlier day, not back to usual yet"
    ]
    assert component_values(lasting, "opened") == [episode.opened.isoformat()]
    assert component_values(lasting, "days-open") == [episode.days_open]
    (interval,) = component_values(lasting, "onset-interval")
    assert interval["start"] <= component_values(lasting, "onset")[0] <= interval["end"]
    accepted = observations(patients["new_level"])["smiling"]
    assert component_values(accepted, "accepted") == ["2026-03-07"]
    assert [stage["coding"][0]["code"] for stage in component_values(accepted, "stage")] == ["accepted"]
    back = observations(patients["coming_back"])["pain_activity"]
    assert len(component_values(back, "closed")) == 1


def test_where_a_report_abstains_there_is_a_reason_and_no_number(patients: dict[str, PatientReport]) -> None:
    aside = observations(patients["all_set_aside"])["smiling"]
    assert aside["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert aside["dataAbsentReason"]["text"] == "insufficient data: all set aside"
    first = observations(patients["first_session"])["smiling"]  # seen, but nothing to compare with
    assert "valueQuantity" in first
    assert not first.keys() & {"interpretation", "referenceRange", "dataAbsentReason"}
    assert first["note"] == [{"text": "Not compared: insufficient data (no baseline)."}]
    assert {fhir._absent_reason(lack)["coding"][0]["code"] for lack in Lack} == {"unknown", "not-performed"}


def test_a_value_outside_the_range_is_never_called_usual_even_without_a_flag(
    patients: dict[str, PatientReport],
) -> None:
    report = patients["pain_rising"]
    trend = report.trends[0]
    unflagged = replace(trend, finding=replace(trend.finding, state=State.USUAL, signals=()))
    observation = observations(replace(report, trends=(unflagged, *report.trends[1:])))["pain_activity"]
    assert observation["interpretation"][0]["coding"][0]["code"] == "H"
    assert component_values(observation, "rule") == []


def test_a_value_is_called_usual_only_if_the_page_may_say_so(patients: dict[str, PatientReport]) -> None:
    def said(report: PatientReport) -> list[str]:
        found = observations(report)
        return [found[finding.key]["interpretation"][0]["text"] for finding in report.findings]

    stable = patients["stable"]
    assert set(said(stable)) == {"as usual for this patient"}
    assert set(said(patients["week_away"])) == {fhir.SO_FAR}  # its baseline has 12 days
    signal = Signal(Rule.EWMA, State.LOWER, stable.day)
    differs = replace(stable.trends[0], finding=replace(stable.trends[0].finding, told=(signal,)))
    assert said(replace(stable, trends=(differs, *stable.trends[1:])))[0] == fhir.WITHIN_LIMITS


def test_a_flag_of_the_earlier_model_and_unusable_recordings_are_told(patients: dict[str, PatientReport]) -> None:
    report = patients["carried_over"]
    (flag,) = report.carried
    observation = observations(report)[flag.measure]
    (component,) = [part for part in observation["component"] if part["code"]["coding"][0]["code"] == "carried"]
    assert component["valueDateTime"] == flag.opened.isoformat()
    assert component["interpretation"][0]["text"] == "lower than usual for this patient"
    (conclusion,) = resources(bundle_of(report), "DiagnosticReport")
    assert (
        "flags still open under the earlier model: 1. Recordings that could not be used: 0." in conclusion["conclusion"]
    )
    (conclusion,) = resources(bundle_of(patients["cut_short"]), "DiagnosticReport")
    assert f"Recordings that could not be used: {len(patients['cut_short'].quarantined)}." in conclusion["conclusion"]


def test_the_interval_is_a_component(patients: dict[str, PatientReport]) -> None:
    report = patients["stable"]
    trend = report.trends[0]
    known = replace(trend, finding=replace(trend.finding, state=State.USUAL, interval=(0.1, 0.25)))
    observation = observations(replace(report, trends=(known, *report.trends[1:])))["pain_activity"]
    (interval,) = component_values(observation, "interval")
    assert interval["low"]["value"] == 10
    assert interval["high"]["value"] == 25


def test_the_pdf_is_in_the_report_with_size_and_hash(patients: dict[str, PatientReport]) -> None:
    ((form,),) = [item["presentedForm"] for item in resources(bundle_of(patients["stable"]), "DiagnosticReport")]
    assert base64.b64decode(form["data"]) == PDF
    assert form["size"] == len(PDF)
    assert base64.b64decode(form["hash"]) == hashlib.sha1(PDF).digest()
    assert form["contentType"] == "application/pdf"


def test_identifiers_and_bytes_are_the_same_each_time(patients: dict[str, PatientReport]) -> None:
    report = patients["hostile"]
    assert patient_fhir(report, PDF) == patient_fhir(report, PDF)
    ids = {entry["resource"]["id"] for name in patients for entry in bundle_of(patients[name])["entry"]}
    assert {uuid.UUID(name).version for name in ids} == {5}
    assert len(ids) == len(patients) * (len(MEASURES) + 1) + 1  # one model for all


def test_every_unit_has_its_code() -> None:
    assert set(fhir.UNITS) == set(Unit)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda item: item.pop("status"), "status"),
        (lambda item: item.update(shoeSize=43), "shoeSize"),
        (lambda item: item.update(valueQuantity=[{"value": 1}]), "valueQuantity"),
        (lambda item: item.update(effectiveDateTime="21.3.2026"), "effectiveDateTime"),
        (lambda item: item["code"].update(text=7), "text"),
    ],
)
def test_what_is_not_r4_is_refused(
    spoil: Callable[[dict[str, Any]], object], complaint: str, patients: dict[str, PatientReport]
) -> None:
    bundle = bundle_of(patients["stable"])
    spoil(resources(bundle, "Observation")[0])
    with pytest.raises(ReportError, match=rf"not valid R4 .*{complaint}") as error:
        validate(bundle)
    assert "\n" not in str(error.value)
