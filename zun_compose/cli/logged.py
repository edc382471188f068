"""Warnings that the package logs, in the form that the user chose for progress."""

from __future__ import annotations

import logging
from collections.abc import Callable


class Warnings(logging.Handler):
    """Hands each warning of the package's loggers to `say`, from whatever thread it comes; close it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        self._logger = logging.getLogger("zun_compose")
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Say one warning."""
        self._say(record.getMessage())

    def close(self) -> None:
        """Hear no more."""
        self._logger.removeHandler(self)
        super().close()
