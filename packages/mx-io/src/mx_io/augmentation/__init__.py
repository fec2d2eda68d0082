"""Changes of images by name, and the random numbers they draw."""

from __future__ import annotations

from .draws import draws, seeded
from .registry import augment, create_augmenters, find_augmenter, list_augmenters, register

__all__ = ["augment", "create_augmenters", "draws", "find_augmenter", "list_augmenters", "register", "seeded"]
