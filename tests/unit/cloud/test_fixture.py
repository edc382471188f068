"""Where no cloud can be, its tests are skipped with the reason, or fail where it is required."""

from __future__ import annotations

import os

import pytest

from tests.cloud import assembly, fixture


@pytest.fixture(autouse=True)
def _no_cloud_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZUN_COMPOSE_CLOUD", "/var/tmp/zun-compose-no-cloud")
    monkeypatch.delenv("ZUN_COMPOSE_REQUIRE", raising=False)


def test_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="takes root"):
        fixture.prerequisites()


def test_without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(assembly, "missing_packages", lambda known: ["openvswitch-switch"])
    with pytest.raises(pytest.skip.Exception, match=r"apt-get install .* openvswitch-switch"):
        fixture.prerequisites()


def test_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZUN_COMPOSE_REQUIRE", "docker,openstack")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.fail.Exception, match="takes root"):
        fixture.prerequisites()
