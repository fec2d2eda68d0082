"""``mx.log``: loggers whose lines begin with level, date, time, process and place, coloured in a terminal."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

__all__ = ["CRITICAL", "DEBUG", "ERROR", "INFO", "NOTSET", "WARNING", "getLogger", "get_logger"]

CRITICAL = logging.CRITICAL
DEBUG = logging.DEBUG
ERROR = logging.ERROR
INFO = logging.INFO
NOTSET = logging.NOTSET
WARNING = logging.WARNING

_LETTERS = ((CRITICAL, "C"), (ERROR, "E"), (WARNING, "W"), (INFO, "I"), (DEBUG, "D"))
_RED, _GREEN, _BLUE, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[34m", "\x1b[0m"


class _Formatter(logging.Formatter):
    """``I1120 13:55:52 8930 file.py:main:10] message``, the part before the message coloured if ``colored``."""

    def __init__(self, colored: bool = True) -> None:
        self.colored = colored
        super().__init__(datefmt="%m%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        letter = next((letter for level, letter in _LETTERS if record.levelno == level), "U")
        head = "%(asctime)s %(process)d %(pathname)s:%(funcName)s:%(lineno)d"
        if self.colored:
            color = _RED if record.levelno >= WARNING else _GREEN if record.levelno >= INFO else _BLUE
            self._style._fmt = f"{color}{letter}{head}]{_PLAIN} %(message)s"
        else:
            self._style._fmt = f"{letter}{head}] %(message)s"
        return super().format(record)


def getLogger(  # noqa: N802 - MXNet's name
    name: str | None = None, filename: str | None = None, filemode: str | None = None, level: int = WARNING
) -> logging.Logger:
    """``get_logger``, under its old name."""
    warnings.warn("getLogger is deprecated, Use get_logger instead.", DeprecationWarning, stacklevel=2)
    return get_logger(name, filename, filemode, level)


def get_logger(
    name: str | None = None, filename: str | None = None, filemode: str | None = None, level: int = WARNING
) -> logging.Logger:
    """The logger called ``name``, which writes to ``filename`` or to stderr.

    A logger is set up by its first call; later ones return it as it is. Without ``name``, the root logger, untouched.
    filemode: "a" (append, the default) or "w".  level: the lowest level that it writes.
    """
    logger: Any = logging.getLogger(name)
    if name is not None and not getattr(logger, "_init_done", False):
        logger._init_done = True
        handler: logging.Handler
        if filename:
            handler = logging.FileHandler(filename, filemode or "a")
            handler.setFormatter(_Formatter(colored=False))
        else:
            handler = logging.StreamHandler()
            handler.setFormatter(_Formatter(colored=hasattr(sys.stderr, "isatty") and sys.stderr.isatty()))
        logger.addHandler(handler)
        logger.setLevel(level)
    return logger
