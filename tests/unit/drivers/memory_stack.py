"""Containers for the memory driver's own tests."""

from __future__ import annotations

from zun_compose.container import ContainerSpec
from zun_compose.model import Service


def spec(name: str = "web", number: int = 1, **declared) -> ContainerSpec:
    asked = {
        key: declared.pop(key) for key in ("joins", "mounts", "network_mode", "oneoff") if key in declared
    }
    service = Service(name=name, **declared)
    return ContainerSpec(
        name=f"s-{name}-{number}", stack="s", service=service, number=number, image="i", labels={}, **asked
    )


def up(driver, *args, **declared) -> str:
    container = driver.create(spec(*args, **declared))
    driver.start(container)
    return container
