"""Starting, stopping and what else changes how a container runs; and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from openstack import exceptions as sdk

from zun_compose.openstack import errors
from zun_compose.openstack.container import Container
from zun_compose.openstack.resource import ZunResource
from zun_compose.openstack.session import ZunSession

ResourceT = TypeVar("ResourceT", bound=ZunResource)

FAILED = ("Error", "Dead", "Failed")


class LifecycleCalls(ZunSession):
    """Actions that Zun does after its answer; wait_for_status. All raise NotFound and WrongState."""

    def start_container(self, container: str | Container) -> None:
        """Have a container started that is Created, Stopped or in Error."""
        self._get_resource(Container, container).act(self, "start")

    def stop_container(self, container: str | Container, timeout: int | None = None) -> None:
        """Have a Running container stopped, killed after so many seconds (None: as Zun is configured, 10)."""
        self._get_resource(Container, container).act(self, "stop", {"timeout": timeout})

    def reboot_container(self, container: str | Container, timeout: int | None = None) -> None:
        """Have a container that is Created, Running, Stopped or in Error stopped, as above, and started."""
        self._get_resource(Container, container).act(self, "reboot", {"timeout": timeout})

    def pause_container(self, container: str | Container) -> None:
        """Have all processes of a Running container frozen."""
        self._get_resource(Container, container).act(self, "pause")

    def unpause_container(self, container: str | Container) -> None:
        """Have a Paused container go on."""
        self._get_resource(Container, container).act(self, "unpause")

    def kill_container(self, container: str | Container, signal: str | None = None) -> None:
        """Have a signal, such as "SIGHUP", sent to a Running container's first process; None sends SIGKILL.

        Zun calls the container Stopped whatever the signal did, until it looks again.
        """
        self._get_resource(Container, container).act(self, "kill", {"signal": signal})

    def rebuild_container(
        self, container: str | Container, *, image: str | None = None, image_driver: str | None = None
    ) -> None:
        """Have a container made anew, from another image if one is named; its id and addresses stay.

        It is started if it ran. For containers that are Created, Running, Stopped or in Error.
        """
        self._get_resource(Container, container).act(
            self, "rebuild", {"image": image, "image_driver": image_driver}
        )

    def wait_for_status(
        self,
        res: ResourceT,
        status: str = "Running",
        failures: Sequence[str] | None = None,
        interval: float | None = 1.0,
        wait: float | None = 120.0,
        attribute: str = "status",
        callback: Callable[[int], None] | None = None,
    ) -> ResourceT:
        """Fetch an object until it has a status, and return it.

        Args:
            res: A container or a capsule.
            status: The status; case does not matter.
            failures: Statuses after which it is in vain; None: Error, Dead, Failed.
            interval: Seconds between two looks; None: 1.
            wait: Seconds in all; None: for ever.
            attribute: Where the status stands.
            callback: Called with 0 after each look in vain.

        Raises:
            ResourceFailure: It came to one of the failures; Zun's reason is in the message.
            ResourceTimeout: It did not get there in time.
            NotFound: It is gone.
        """
        ends = {word.lower() for word in (FAILED if failures is None else failures)} - {status.lower()}
        deadline = None if wait is None else time.monotonic() + wait
        while True:
            res.fetch(self, skip_cache=True)
            now = str(getattr(res, attribute))
            if now.lower() == status.lower():
                return res
            if now.lower() in ends:
                reason = getattr(res, "status_reason", None) or "no reason given"
                raise sdk.ResourceFailure(f'{type(res).__name__} "{res.id}" came to {now}: {reason}')
            if deadline is not None and time.monotonic() >= deadline:
                raise sdk.ResourceTimeout(
                    f'{type(res).__name__} "{res.id}" is {now} after {wait:g} s, not {status}'
                )
            if callback is not None:
                callback(0)
            self._sleep(1.0 if interval is None else interval)

    def wait_for_delete(
        self,
        res: ResourceT,
        interval: float | None = 1.0,
        wait: float | None = 120.0,
        callback: Callable[[int], None] | None = None,
    ) -> ResourceT:
        """Fetch an object until it is gone, and return it as it was last seen.

        Raises:
            ResourceTimeout: It is still there after `wait` seconds (None: wait for ever); where Zun could
                not delete it, in Error.
        """
        deadline = None if wait is None else time.monotonic() + wait
        while True:
            try:
                res.fetch(self, skip_cache=True)
            except errors.NotFound:
                return res
            if deadline is not None and time.monotonic() >= deadline:
                status = getattr(res, "status", "there")
                raise sdk.ResourceTimeout(
                    f'{type(res).__name__} "{res.id}" is {status} after {wait:g} s, not gone'
                )
            if callback is not None:
                callback(0)
            self._sleep(1.0 if interval is None else interval)
