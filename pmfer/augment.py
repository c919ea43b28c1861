"""Random augmentations of training faces, on batches of tensors. All randomness comes from the given generator."""

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad

from pmfer.config import AugmentConfig


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, for pixel values in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def augment(faces: Tensor, roll_deg: Tensor, config: AugmentConfig, size_px: int, rng: Generator) -> Tensor:
    """Augment faces float32 [N, S, S] in 0..1 -> [N, 1, size_px, size_px] in 0..1.

    Faces are turned upright, moved, changed in brightness and contrast, shrunk, blurred, and given noise and JPEG
    artefacts.

    Args:
        faces: grey, covered or not.
        roll_deg: roll of each face, [N], positive clockwise; 0 if unknown.
        config: strengths and probabilities.
        size_px: side of the result.
        rng: random generator on the device of the faces.
    """
    pictures = _move(faces[:, None], roll_deg, config, size_px, rng)
    pictures = _light(pictures, config, rng)
    pictures = _shrink(pictures, config, rng)
    pictures = _blur_and_noise(pictures, config, rng).clamp(0, 1)
    return _compress(pictures, config, rng) if config.compressed else pictures


def plain(faces: Tensor, size_px: int) -> Tensor:
    """uint8 [N, S, S] -> float32 [N, 1, size_px, size_px] in 0..1, resized and not augmented."""
    pictures = faces[:, None].float() / 255
    if faces.shape[-1] == size_px:
        return pictures
    return interpolate(pictures, size=(size_px, size_px), mode="bilinear", antialias=True)


def normalise(pictures: Tensor, normalisation: Normalisation) -> Tensor:
    """Normalise grey pictures [N, 1, H, W] in 0..1 to (value - mean) / std: [N, C, H, W] for C channel means."""
    mean, std = (
        torch.tensor(values, device=pictures.device)[:, None, None]
        for values in (normalisation.mean, normalisation.std)
    )
    return (pictures - mean) / std


def _uniform(count: int, low: float, high: float, rng: Generator) -> Tensor:
    return torch.rand(count, generator=rng, device=rng.device) * (high - low) + low


def _move(pictures: Tensor, roll_deg: Tensor, config: AugmentConfig, size_px: int, rng: Generator) -> Tensor:
    n = len(pictures)
    angle = (_uniform(n, -config.rotation_deg, config.rotation_deg, rng) + roll_deg) * (math.pi / 180)
    zoom = _uniform(n, 1 - config.scale, 1 + config.scale, rng)
    mirror = torch.where(_uniform(n, 0, 1, rng) < 0.5, -1.0, 1.0)
    shift = torch.stack([_uniform(n, -config.shift, config.shift, rng) * 2 for _ in range(2)], dim=1)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    matrix = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1
    )
    grid = affine_grid(matrix, [n, 1, size_px, size_px], align_corners=False)
    return grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _light(pictures: Tensor, config: AugmentConfig, rng: Generator) -> Tensor:
    n = len(pictures)
    contrast = _uniform(n, 1 - config.light, 1 + config.light, rng)[:, None, None, None]
    brightness = _uniform(n, -config.light / 2, config.light / 2, rng)[:, None, None, None]
    gamma = torch.exp(_uniform(n, -config.gamma, config.gamma, rng))[:, None, None, None]
    pictures = pictures.clamp(1e-3, 1) ** gamma
    mean = pictures.mean((1, 2, 3), keepdim=True)
    return (pictures - mean) * contrast + mean + brightness


def _shrink(pictures: Tensor, config: AugmentConfig, rng: Generator) -> Tensor:
    """Scale some faces down and up again, so that they look like those of people far from the camera."""
    n, side = len(pictures), pictures.shape[-1]
    chosen = torch.nonzero(_uniform(n, 0, 1, rng) < config.small).flatten()
    sides = _uniform(n, config.smallest_px, side, rng).int()
    result = pictures.clone()
    for size in set(sides[chosen].tolist()):
        rows = chosen[sides[chosen] == size]
        small = interpolate(pictures[rows], size=(size, size), mode="bilinear", antialias=True)
        result[rows] = interpolate(small, size=(side, side), mode="bicubic")
    return result


def _compress(pictures: Tensor, config: AugmentConfig, rng: Generator) -> Tensor:
    """Compress some faces as JPEG, with a quality from 20 to 90."""
    result = pictures.clone()
    qualities = _uniform(len(pictures), 20, 90, rng).int()
    for row in torch.nonzero(_uniform(len(pictures), 0, 1, rng) < config.compressed).flatten().tolist():
        stream = io.BytesIO()
        levels = (pictures[row, 0] * 255).round().byte().cpu().numpy()
        Image.fromarray(levels).save(stream, "JPEG", quality=int(qualities[row]))
        result[row, 0] = torch.from_numpy(np.asarray(Image.open(stream), np.float32) / 255).to(result.device)
    return result


def _blur_and_noise(pictures: Tensor, config: AugmentConfig, rng: Generator) -> Tensor:
    n = len(pictures)
    blurred = avg_pool2d(pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    chosen = (_uniform(n, 0, 1, rng) < config.blur)[:, None, None, None]
    noisy = _uniform(n, 0, 1, rng) < config.noisy
    strength = (noisy * _uniform(n, 0, config.noise, rng))[:, None, None, None]
    return torch.where(chosen, blurred, pictures) + strength * torch.randn(
        pictures.shape, generator=rng, device=rng.device
    )
