"""Choosing the subject of a session, and linking the tracks of the same person."""

import numpy as np
import polars as pl
import pytest

from inference.subject import NOBODY, choose_subject


def sightings(*tracks: tuple[int, float, float, tuple[float, float, float, float], float]) -> pl.DataFrame:
    """Sightings, five per second, of tracks given as (number, first s, last s, box, prominence of one sighting)."""
    rows = [
        (round(1000 * at), number, at, prominence, *box)
        for number, first, last, box, prominence in tracks
        for at in np.arange(first, last + 0.01, 0.2).round(3).tolist()
    ]
    columns = ["frame_index", "track_id", "pts_s", "prominence", "box_x_px", "box_y_px", "box_w_px", "box_h_px"]
    return pl.DataFrame(rows, columns, orient="row").sort("pts_s", "track_id")


def test_subject_is_who_dominates_the_session() -> None:
    patient, visitor = (0, 0.0, 60.0, (100, 100, 80, 100), 80.0), (1, 20.0, 30.0, (300, 50, 160, 200), 160.0)
    subject = choose_subject(sightings(patient, visitor), relink_gap_s=60)
    assert subject.tracks == (0,)
    assert subject.rival_share == pytest.approx(51 * 160 / (301 * 80))
    assert choose_subject(sightings(), relink_gap_s=60) == NOBODY


def test_subject_who_comes_back_to_the_same_place_is_linked() -> None:
    place = (100, 100, 80, 100)
    table = sightings((0, 0, 20, place, 80), (1, 25, 40, place, 80), (2, 45, 50, (110, 95, 85, 100), 80))
    assert choose_subject(table, relink_gap_s=60).tracks == (0, 1, 2)


@pytest.mark.parametrize(
    ("first_s", "box"),
    [
        (100.0, (100, 100, 80, 100)),  # too late
        (30.0, (400, 100, 80, 100)),  # elsewhere
        (30.0, (60, 50, 160, 200)),  # much nearer to the camera
        (15.0, (100, 100, 80, 100)),  # while the subject is there
    ],
)
def test_who_may_be_somebody_else_is_not_linked(first_s: float, box: tuple[float, float, float, float]) -> None:
    table = sightings((0, 0, 20, (100, 100, 80, 100), 80), (1, first_s, first_s + 5, box, 80))
    assert choose_subject(table, relink_gap_s=60).tracks == (0,)


def test_only_face_before_and_after_a_gap_in_the_recording_is_the_subject_wherever_it_is() -> None:
    before, after = (0, 0.0, 10.0, (100, 100, 80, 100), 80.0), (1, 10.2, 20.0, (400, 50, 120, 150), 120.0)
    assert choose_subject(sightings(before, after), relink_gap_s=60, jumps_s=[10.2]).tracks == (0, 1)
    assert choose_subject(sightings(before, after), relink_gap_s=60).tracks == (1,)
    visitor = (2, 12.0, 13.0, (0, 0, 50, 60), 50.0)
    assert choose_subject(sightings(before, after, visitor), relink_gap_s=60, jumps_s=[10.2]).tracks == (1,)


def test_faces_of_successive_frames_with_the_same_time_are_not_two_at_once() -> None:
    before, after = (0, 0.0, 10.0, (100, 100, 80, 100), 80.0), (1, 10.2, 20.0, (400, 50, 120, 150), 120.0)
    stopped = sightings(before, after).with_columns(pts_s=pl.col("pts_s").first().over("track_id"))
    assert choose_subject(stopped, relink_gap_s=60, jumps_s=[10.2]).tracks == (0, 1)


def test_a_visitor_who_is_never_hidden_does_not_outweigh_a_patient_who_often_is() -> None:
    """The patient's face is hidden every minute, so each of the patient's tracks is shorter than the visitor's."""
    patient = [(n, 60.0 * n, 60.0 * n + 50, (100.0, 100.0, 80.0, 80.0), 1.0) for n in range(10)]
    subject = choose_subject(sightings(*patient, (10, 120.0, 300.0, (300.0, 100.0, 80.0, 80.0), 1.0)), relink_gap_s=60)
    assert subject.tracks == tuple(range(10))
    assert 0.3 < subject.rival_share < 0.4


def test_a_long_time_lapse_is_one_subject() -> None:
    """Every sighting is a separate track. The running time must not grow with the cube of their number."""
    place = (100.0, 100.0, 80.0, 100.0)
    table = sightings(*((number, 3.0 * number, 3.0 * number, place, 1.0) for number in range(3000)))
    assert choose_subject(table, relink_gap_s=60).tracks == tuple(range(3000))


def test_links_are_those_of_trying_every_pair_the_shortest_gap_first() -> None:
    random = np.random.default_rng(3)
    for _ in range(150):
        starts = random.integers(0, 40, 9)
        ends = starts + random.choice([0, 1, 3, 8], 9)
        lefts = random.choice([100.0, 110.0, 140.0, 300.0], 9)
        tracks = [
            (n, float(start), float(end), (left, 0, 80, 80), 1.0)
            for n, (start, end, left) in enumerate(zip(starts, ends, lefts.tolist(), strict=True))
        ]
        assert choose_subject(sightings(*tracks), relink_gap_s=6).tracks == linked_by_trying_every_pair(tracks, 6)


def linked_by_trying_every_pair(
    tracks: list[tuple[int, float, float, tuple[float, float, float, float], float]], relink_gap_s: float
) -> tuple[int, ...]:
    """A slow implementation of what choose_subject documents, for boxes of one size."""
    people, others = [], tracks
    while others:
        people.append(person_by_trying_every_pair(others, relink_gap_s))
        others = [track for track in others if track not in people[-1]]
    subject = max(people, key=lambda person: int(sightings(*person)["prominence"].sum()))
    return tuple(number for number, *_ in sorted(subject, key=lambda track: track[1]))


def person_by_trying_every_pair(
    tracks: list[tuple[int, float, float, tuple[float, float, float, float], float]], relink_gap_s: float
) -> list[tuple[int, float, float, tuple[float, float, float, float], float]]:
    linked = [max(tracks, key=lambda track: (round(track[2] - track[1], 6), -track[0]))]
    while True:
        offers = []
        for number, first, last, box, _ in tracks:
            if all(last < other[1] or other[2] < first for other in linked):
                gap, place = min(
                    ((max(first - other[2], other[1] - last), other[3][0]) for other in linked),
                    key=lambda nearest: nearest[0],
                )
                if gap <= relink_gap_s and abs(place - box[0]) / box[2] <= 0.5:
                    offers.append((gap, number))
        if not offers:
            return linked
        nearest = min(offers)[1]
        linked.append(next(track for track in tracks if track[0] == nearest))
