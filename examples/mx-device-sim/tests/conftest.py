"""Two simulated gpus for the tests of this folder: asked for before the first array is made."""

from __future__ import annotations

import os

os.environ.setdefault("MX_SIM_GPUS", "2")
