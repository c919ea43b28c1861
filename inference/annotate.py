"""Write a copy of a video that shows the scores: the subject's box, the leading expression, the strongest phrases.

It is a video of a person, so it is only written on request, and never by the nightly run.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import polars as pl
from PIL import Image, ImageDraw, ImageFont

from inference.faces import Picture
from inference.options import VideoLimits
from inference.video import open_video
from pmfer.bundle import AuPhrase
from pmfer.errors import ConfigurationError

LONGER_SIDE_PX = 960  # at most: enough to see a face and read the text
TEXT_SHARE = 1 / 26  # height of the letters, as a share of the picture's height
PHRASES = 3  # number of phrases shown, strongest first
SCORED, UNSCORED = (255, 200, 0), (160, 160, 160)  # RGB of box and text
MILLISECOND = Fraction(1, 1000)
CODEC = {"crf": "23", "preset": "veryfast"}


def annotate_video(
    video: Path, table: pl.DataFrame, phrases: Sequence[AuPhrase], out: Path, limits: VideoLimits | None = None
) -> int:
    """Write the sampled frames of a video as an MP4 file, at their original times, and return their number.

    Frames of the same millisecond follow each other a millisecond apart, because the times in an MP4 file increase.

    Args:
        video: the file that was scored.
        table: its frames, as `ScoredVideo.table`.
        phrases: the phrases of the bundle that scored it.
        out: file to write, in an existing folder; it appears only when it is complete.
        limits: largest file and picture and longest video to accept.

    Raises:
        VideoError: the video can no longer be used.
        ConfigurationError: the video holds several recordings, so it is not known which one was scored, or `out` cannot
            be written.
    """
    rows = {row["frame_index"]: row for row in table.iter_rows(named=True)}
    draft = out.with_name(f".{out.name}.draft")
    count, at_ms = 0, -1
    try:
        with (
            open_video(video, threads=0, limits=limits) as opened,
            av.open(str(draft), "w", format="mp4") as container,
        ):
            if opened.choice:
                raise ConfigurationError(f"{video}: cannot be annotated, because it holds several recordings")
            stream = container.add_stream("libx264", options=CODEC)
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = MILLISECOND
            for frame in opened.frames():
                row = rows.get(frame.index)
                if row is None:
                    continue
                picture, scale = _reduced(frame.picture(3))
                if not count:
                    stream.height, stream.width = picture.shape[:2]
                encoded = av.VideoFrame.from_ndarray(annotate(picture, row, phrases, scale), format="rgb24")
                at_ms = max(at_ms + 1, round(1000 * frame.time_s))
                encoded.pts, encoded.time_base = at_ms, MILLISECOND
                container.mux(stream.encode(encoded))
                count += 1
            container.mux(stream.encode())
        draft.replace(out)
    except OSError as error:
        raise ConfigurationError(
            f"{out}: cannot be written ({error.strerror or error}); choose another folder"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return count


def annotate(picture: Picture, row: Mapping[str, Any], phrases: Sequence[AuPhrase], scale: float = 1.0) -> Picture:
    """Draw the box and the text of a row onto a picture [H, W, 3] RGB.

    Args:
        picture: the frame, in its original size or reduced.
        row: its row of the table; a frame without scores shows its reason.
        phrases: the phrases of the bundle.
        scale: size of the picture relative to the original frame.
    """
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    size = max(10, round(canvas.height * TEXT_SHARE))
    font = ImageFont.load_default(size)
    colour = UNSCORED if row["reason"] else SCORED
    if row["is_subject"]:
        left, top = row["box_x_px"] * scale, row["box_y_px"] * scale
        right, bottom = left + row["box_w_px"] * scale, top + row["box_h_px"] * scale
        draw.rectangle((left, top, right, bottom), outline=colour, width=max(2, size // 8))
    text = "\n".join(describe(row, phrases))
    position = (size // 2, size // 2)
    box = draw.multiline_textbbox(position, text, font=font)
    draw.rectangle((0, 0, box[2] + size // 2, box[3] + size // 2), fill=(0, 0, 0))
    draw.multiline_text(position, text, fill=colour, font=font)
    return np.asarray(canvas)


def describe(row: Mapping[str, Any], phrases: Sequence[AuPhrase]) -> list[str]:
    """The lines of text for a row: the leading expression and the strongest phrases, or why it was not scored."""
    if row["reason"]:
        return [f"not scored: {row['reason'].replace('_', ' ')}"]
    scored = [phrase for phrase in phrases if row[phrase.column] is not None]  # NULL where the face is covered
    strongest = sorted(scored, key=lambda phrase: -row[phrase.column])[:PHRASES]
    return [
        f"{row['leading_expression']} {row['confidence']:.0%}",
        *(f"{phrase.phrase} {row[phrase.column]:.2f}" for phrase in strongest),
    ]


def _reduced(picture: Picture) -> tuple[Picture, float]:
    """The picture reduced to LONGER_SIDE_PX, with even sides as the encoder requires, and the scale factor."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGER_SIDE_PX / max(height, width))
    size = (max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)), scale
