"""Handwritten-looking digits drawn with NumPy alone, for machines that cannot download MNIST.

Each digit is a few pen strokes in a unit square. A drawing bends, rotates, shears, scales and shifts them at random,
and inks every pixel by its distance from the nearest stroke.
"""

from __future__ import annotations

import numpy as np

SIZE = 28  # pixels, as in MNIST


def draw_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 28, 28, 1) and labels (count,), uint8 and int32 as in MNIST: white ink on black."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, 10, count).astype(np.int32)
    images = np.empty((count, SIZE, SIZE, 1), np.uint8)
    for digit in range(10):
        variants = [np.array(strokes, np.float32) for strokes in STROKES[digit]]
        of_digit = np.flatnonzero(labels == digit)
        chosen = rng.randint(0, len(variants), len(of_digit))
        for variant, strokes in enumerate(variants):
            members = of_digit[chosen == variant]
            for chunk in np.array_split(members, len(members) // 250 + 1):
                images[chunk, :, :, 0] = ink(handwriting(strokes, len(chunk), rng), rng)
    return images, labels


def handwriting(strokes: np.ndarray, count: int, rng: np.random.RandomState) -> np.ndarray:
    """`count` distorted copies of strokes (segments, 2 ends, xy): an affine map and a wave of its own for each."""

    def between(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (count, 1, 1)).astype(np.float32)

    x, y = strokes[None, :, :, 0] - 0.5, strokes[None, :, :, 1] - 0.5
    x = x + between(0, 0.06) * np.sin(5 * y + between(0, 6.3))
    y = y + between(0, 0.05) * np.sin(5 * x + between(0, 6.3))
    angle, shear = between(-0.28, 0.28), between(-0.35, 0.25)
    x = (x + shear * y) * between(0.6, 1.0)
    y = y * between(0.8, 1.05)
    x, y = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    return np.stack([x * 19 + 13.5 + between(-2, 2), y * 19 + 13.5 + between(-2, 2)], axis=-1)


def ink(strokes: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Images (count, 28, 28) of strokes (count, segments, 2 ends, xy) in pixels, with a pen and noise of their own."""
    count = len(strokes)
    grid = np.arange(SIZE, dtype=np.float32)
    x, y = (axis.reshape(1, 1, -1) for axis in np.meshgrid(grid, grid))
    start, along = strokes[:, :, 0, :, None], strokes[:, :, 1, :, None] - strokes[:, :, 0, :, None]
    from_start_x, from_start_y = x - start[:, :, 0], y - start[:, :, 1]
    length = np.maximum((along**2).sum(axis=2), 1e-6)
    nearest = np.clip((from_start_x * along[:, :, 0] + from_start_y * along[:, :, 1]) / length, 0, 1)
    squared = (from_start_x - nearest * along[:, :, 0]) ** 2 + (from_start_y - nearest * along[:, :, 1]) ** 2
    distance = np.sqrt(squared.min(axis=1)).reshape(count, SIZE, SIZE)
    pen = rng.uniform(0.7, 1.7, (count, 1, 1)).astype(np.float32)
    brightness = np.clip(1.5 - distance / pen, 0, 1) * rng.uniform(0.75, 1, (count, 1, 1)).astype(np.float32)
    noise = rng.normal(0, 0.06, brightness.shape).astype(np.float32)
    return (np.clip(brightness + noise, 0, 1) * 255).astype(np.uint8)


# ---- the strokes: x to the right, y downwards, both from 0 to 1 -------------------------------------------------------


def line(*points: tuple[float, float]) -> list:
    """Segments from point to point."""
    return list(zip(points[:-1], points[1:], strict=True))


def arc(x: float, y: float, width: float, height: float, start: float, end: float, pieces: int = 9) -> list:
    """Segments along an ellipse round (x, y); angles in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, pieces + 1))
    return line(*[(x + width * np.cos(a), y + height * np.sin(a)) for a in angles])


STROKES = {
    0: [arc(0.5, 0.5, 0.32, 0.5, 0, 360, 14), arc(0.5, 0.5, 0.42, 0.46, -80, 280, 14)],
    1: [
        line((0.5, 0), (0.5, 1)),
        line((0.3, 0.2), (0.52, 0), (0.52, 1)),
        line((0.3, 0.2), (0.5, 0), (0.5, 1)) + line((0.28, 1), (0.72, 1)),
    ],
    2: [
        arc(0.5, 0.27, 0.32, 0.27, -170, 40) + line((0.74, 0.45), (0.18, 1), (0.85, 1)),
        arc(0.48, 0.27, 0.3, 0.27, -160, 60) + line((0.63, 0.5), (0.25, 0.95)) + arc(0.3, 0.9, 0.1, 0.1, 90, 330)
        + line((0.35, 0.85), (0.85, 0.98)),
    ],
    3: [
        arc(0.45, 0.26, 0.33, 0.26, -150, 90) + arc(0.45, 0.76, 0.38, 0.25, -90, 150),
        line((0.15, 0.02), (0.8, 0.02), (0.42, 0.42)) + arc(0.43, 0.71, 0.36, 0.29, -90, 150),
    ],
    4: [
        line((0.62, 1), (0.62, 0), (0.1, 0.66), (0.92, 0.66)),
        line((0.2, 0), (0.16, 0.5), (0.8, 0.5)) + line((0.76, 0.05), (0.7, 1)),
    ],
    5: [
        line((0.8, 0.02), (0.28, 0.02), (0.22, 0.45)) + arc(0.46, 0.7, 0.35, 0.3, -135, 145, 11),
        line((0.85, 0.05), (0.3, 0.0), (0.3, 0.4)) + arc(0.42, 0.68, 0.38, 0.3, -110, 120, 11),
    ],
    6: [
        arc(0.75, 0.62, 0.55, 0.62, -95, -180) + arc(0.5, 0.7, 0.3, 0.29, -180, 180, 12),
        line((0.6, 0), (0.28, 0.5)) + arc(0.5, 0.7, 0.28, 0.28, -150, 210, 12),
    ],
    7: [
        line((0.12, 0.04), (0.85, 0.04), (0.4, 1)),
        line((0.12, 0.12), (0.15, 0.02), (0.85, 0.05), (0.45, 1)) + line((0.35, 0.52), (0.85, 0.5)),
    ],
    8: [
        arc(0.5, 0.25, 0.26, 0.25, 0, 360, 11) + arc(0.5, 0.75, 0.33, 0.25, 0, 360, 11),
        line((0.75, 0.08), (0.28, 0.9)) + arc(0.48, 0.2, 0.28, 0.2, -30, -210) + line((0.24, 0.3), (0.74, 0.7))
        + arc(0.5, 0.82, 0.26, 0.18, -20, 190),
    ],
    9: [
        arc(0.48, 0.29, 0.3, 0.28, 0, 360, 12) + line((0.78, 0.3), (0.7, 1)),
        arc(0.46, 0.28, 0.28, 0.27, -30, 330, 12) + line((0.74, 0.1), (0.74, 0.6)) + arc(0.44, 0.65, 0.3, 0.33, 0, 130),
    ],
}  # fmt: skip
