"""A bench a test, emptied afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

if sys.platform != "linux":
    collect_ignore_glob = ["*"]
else:
    from tests.integration.local.bench import Bench
    from zun_compose.drivers.local.probe import check
    from zun_compose.errors import Unavailable

    @pytest.fixture
    def bench(tmp_path) -> Iterator[Bench]:
        try:
            check()
        except Unavailable as error:
            pytest.skip(str(error))
        made = Bench(tmp_path / "home")
        yield made
        made.empty()
