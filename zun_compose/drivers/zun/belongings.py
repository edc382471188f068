"""What the containers of a stack have in common, and what goes when none of them needs it any more."""

from __future__ import annotations

from typing import Any

from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.groups import Groups
from zun_compose.drivers.zun.ports import Ports
from zun_compose.drivers.zun.publishing import Publishing
from zun_compose.drivers.zun.registries import Registries


class Belongings:
    """Idle ports, a floating IP and a router, security groups, registry objects of stacks in one cloud."""

    def __init__(self, cloud: Cloud, publishing: Publishing) -> None:
        self._cloud = cloud
        self._publishing = publishing

    def sweep(self, stack: str) -> list[Any]:
        """Remove what no container of a stack needs, unless more of them are coming.

        Returns the containers that the stack has, as Zun lists them.
        """
        with self._cloud.lock:
            standing = self._cloud.standing(stack)
            if stack and not self._cloud.creating(stack):
                if not standing:
                    Ports(self._cloud).sweep(stack)
                    self._publishing.clear(stack)
                Groups(self._cloud).sweep(stack, standing)
                Registries(self._cloud).sweep(stack, standing)
        return standing
