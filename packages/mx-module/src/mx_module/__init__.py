"""Symbolic training: Module and its relatives, checkpoints, callbacks, Monitor, pictures of graphs, rnn cells."""

from __future__ import annotations

__version__ = "0.1.0"
