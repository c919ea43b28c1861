"""Both detectors: the position of the faces they find, batches and picture sizes."""

from pathlib import Path

import numpy as np
import pytest
from inference_videos import Picture, write_video
from PIL import Image

from inference.detect import CenterFace, find_faces, open_detector
from inference.faces import overlaps
from inference.options import ScoringOptions, centerface_weights
from inference.video import open_video
from pmfer.errors import ConfigurationError

FACE_BOX = np.array(
    [170, 65, 105, 130], np.float32
)  # where a person sees the face in the portrait: x, y, width, height


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace(centerface_weights(), min_score=0.4, threads=1)


def test_face_is_found_where_a_person_sees_it(detector: CenterFace, portrait: Picture) -> None:
    (faces,) = detector.detect(portrait[None])
    assert len(faces) == 1
    assert overlaps(FACE_BOX, faces.boxes)[0] > 0.6
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_batch_gives_what_single_pictures_give(detector: CenterFace, portrait: Picture, empty_room: Picture) -> None:
    pictures = np.stack([portrait, empty_room, portrait[:, ::-1]])
    together = detector.detect(pictures)
    alone = [detector.detect(picture[None])[0] for picture in pictures]
    assert [len(faces) for faces in together] == [1, 0, 1]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.01)


@pytest.mark.parametrize(("height", "width"), [(512, 512), (300, 512), (512, 180)])
def test_boxes_come_back_in_pixels_of_the_frame(
    tmp_path: Path, detector: CenterFace, portrait: Picture, height: int, width: int
) -> None:
    left = 140 if width < 512 else 0
    path = write_video(tmp_path / "portrait.mp4", [portrait[:height, left : left + width]] * 2)
    with open_video(path, threads=1) as video:
        frames = list(video.frames())
    for faces in find_faces(detector, frames, 320):
        assert overlaps(FACE_BOX - np.array([left, 0, 0, 0], np.float32), faces.boxes)[0] > 0.6


@pytest.mark.parametrize("share", [0.8, 0.9, 1.0])
def test_face_that_fills_the_picture_is_found(tmp_path: Path, portrait: Picture, share: float) -> None:
    """`share` is the face's share of the picture's height, as with a camera close to a pillow."""
    side = round(FACE_BOX[3] / share)
    left, top = (FACE_BOX[:2] + (FACE_BOX[2:] - side) / 2).round().astype(int)
    close = Image.fromarray(portrait[top : top + side, left : left + side]).resize((480, 480))
    path = write_video(tmp_path / "close.mp4", [np.asarray(close)] * 2)
    options = ScoringOptions()
    with open_video(path, threads=1) as video:
        found = find_faces(open_detector(options, threads=1), list(video.frames()), options.detector_size_px)
    assert [len(faces) for faces in found] == [1, 1]


def test_detector_file_that_is_no_yunet_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "detector.onnx"
    text.write_text("not a network")
    for path in (text, centerface_weights()):
        with pytest.raises(ConfigurationError, match="YuNet"):
            open_detector(ScoringOptions(detector=str(path)), threads=1)
    with pytest.raises(ConfigurationError, match="no such file"):
        open_detector(ScoringOptions(detector=str(tmp_path / "none.onnx")), threads=1)


@pytest.mark.shared
def test_yunet_runs_in_batches_and_at_other_sizes_than_it_was_exported_for(
    yunet: Path, detector: CenterFace, portrait: Picture, empty_room: Picture
) -> None:
    other = open_detector(ScoringOptions(detector=str(yunet), min_detection_score=0.6), threads=1)
    found = other.detect(np.stack([empty_room, portrait])[:, :320])
    assert [len(faces) for faces in found] == [0, 1]
    (faces,) = detector.detect(portrait[None])
    assert overlaps(faces.boxes[0], found[1].boxes)[0] > 0.7
    np.testing.assert_allclose(found[1].landmarks[0], faces.landmarks[0], atol=15)
