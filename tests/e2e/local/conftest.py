"""Real stacks on the local driver; each test has a folder, a state and a stack of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zun_compose.errors import Unavailable

if sys.platform != "linux":
    collect_ignore_glob = ["*"]
else:
    from tests.e2e.local.kernel import adopting
    from tests.e2e.local.place import Place
    from tests.engines.require import missing
    from zun_compose.drivers.local.probe import check

    @pytest.fixture(scope="session")
    def containers() -> None:
        """This machine lets us make containers."""
        try:
            check()
        except Unavailable as error:
            missing("local", str(error))

    @pytest.fixture
    def places(containers: None, tmp_path: Path) -> Iterator[Callable[[str], Place]]:
        """Make places that are cleared after the test; they share one state."""
        made: list[Place] = []

        def make(hint: str = "more") -> Place:
            folder = tmp_path / hint
            folder.mkdir()
            name = f"zce2e-{hint}-{os.getpid()}"
            made.append(Place(folder=folder, name=name, state=tmp_path / "state"))
            return made[-1]

        with adopting():
            yield make
            for place in made:
                place.clear()

    @pytest.fixture
    def place(places: Callable[[str], Place]) -> Place:
        """A stack of the test's own."""
        return places("one")
