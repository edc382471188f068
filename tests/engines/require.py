"""Which engines must be there: ZUN_COMPOSE_REQUIRE=docker,registry turns their skips into failures."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def required(engine: str) -> bool:
    """Whether a missing engine is a fault of this run rather than a fact of this machine."""
    words = os.environ.get("ZUN_COMPOSE_REQUIRE", "").split(",")
    return engine in {word.strip() for word in words}


def missing(engine: str, reason: str) -> NoReturn:
    """Skip the test that needs an engine, or fail it where the engine is required."""
    if required(engine):
        pytest.fail(f"ZUN_COMPOSE_REQUIRE names {engine}, but {reason}", pytrace=False)
    pytest.skip(f"no {engine}: {reason}")
