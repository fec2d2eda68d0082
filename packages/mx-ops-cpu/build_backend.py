"""scikit-build-core's build backend, with mx-core required only where its headers are not next door.

Inside the monorepo the headers of the sibling folder are used, so that all packages install in one pip command
although pip cannot yet offer mx-core to an isolated build. Anywhere else (an sdist) the build requires mx-core.
"""

from __future__ import annotations

from pathlib import Path

from scikit_build_core import build as _backend
from scikit_build_core.build import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_SIBLING_HEADER = Path(__file__).parent.parent / "mx-core" / "include" / "mx" / "abi.h"


def _headers() -> list[str]:
    return [] if _SIBLING_HEADER.is_file() else ["mx-core"]


def get_requires_for_build_wheel(config_settings: dict[str, str | list[str]] | None = None) -> list[str]:
    """What scikit-build-core needs here (cmake, ninja), and mx-core where its headers are not next door."""
    return [*_backend.get_requires_for_build_wheel(config_settings), *_headers()]


def get_requires_for_build_editable(config_settings: dict[str, str | list[str]] | None = None) -> list[str]:
    """The same as for a wheel."""
    return [*_backend.get_requires_for_build_editable(config_settings), *_headers()]
