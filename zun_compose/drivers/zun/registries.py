"""Private registries: what the Docker CLI knows to log in with, handed to Zun as registry objects.

Zun keeps them, tells the password to nobody, and pulls with them. Each stack has objects of its own, found by
their names, since a registry has no labels; they go with the last container that was pulled with them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from zun_compose.credentials import credentials, domain_of
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.errors import DriverError

Login = tuple[str, str]


class Registries:
    """The registry objects of stacks in one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def login(self, image: str) -> Login | None:
        """Return user and password for the registry of an image, asked for once; None if none are known.

        Raises Rejected where the configuration or its helper cannot be used.
        """
        domain = domain_of(image)
        known = self._cloud.logins
        if domain not in known:
            known[domain] = credentials(domain)
        return known[domain]

    def needed(self, stack: str, image: str, login: Login) -> str:
        """Return the id of the stack's object for an image's registry; made, or told the login once anew."""
        domain = domain_of(image)
        name = f"{stack}_registry_{hashlib.sha256(domain.encode()).hexdigest()[:8]}"
        username, password = login
        zun = self._cloud.zun
        with translated(f'hand the credentials of registry "{domain}" to Zun'), self._cloud.lock:
            found = [one for one in zun.registries(name=name) if one.name == name]
            if not found:
                made = zun.create_registry(domain, name=name, username=username, password=password)
                self._cloud.told.add(name)
                return str(made.id)
            if name not in self._cloud.told:
                zun.update_registry(found[0], username=username, password=password)
                self._cloud.told.add(name)
            return str(found[0].id)

    def sweep(self, stack: str, standing: Sequence[Any]) -> None:
        """Remove the objects of a stack that none of its containers, as Zun lists them, was pulled with."""
        used = {one.registry_id for one in standing}
        ours = re.compile(rf"{re.escape(stack)}_registry_[0-9a-f]{{8}}")
        zun = self._cloud.zun
        with suppress(DriverError), translated(f'remove the registries of stack "{stack}"'):
            for one in list(zun.registries()):
                if ours.fullmatch(one.name or "") and one.id not in used:
                    zun.delete_registry(one)
                    self._cloud.told.discard(one.name)
