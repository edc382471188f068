"""How much a project may use."""

from __future__ import annotations

from typing import Any

from openstack import resource

from zun_compose.openstack import errors
from zun_compose.openstack.resource import ZunResource
from zun_compose.openstack.session import ZunSession


class QuotaClass(ZunResource):
    """Limits of a class of projects; the class "default" is all. Since 1.26. -1 is without limit."""

    base_path = "/quota_classes"
    since = "1.26"
    allow_fetch = True

    id: str = resource.Body("id")
    containers: int = resource.Body("containers", type=int)
    cpu: int = resource.Body("cpu", type=int)
    """CPUs."""
    disk: int = resource.Body("disk", type=int)
    """GiB."""
    memory: int = resource.Body("memory", type=int)
    """MiB."""


class Quota(QuotaClass):
    """Limits of one project, whose id is its id. Since 1.26. -1 is without limit."""

    base_path = "/quotas"

    in_use: dict[str, float] = resource.Body("in_use", type=dict)
    """How much of each is used; empty unless asked for."""


class QuotaCalls(ZunSession):
    """Quotas, for admins but for one's own. Since 1.26."""

    def get_quota(self, project: str, *, usages: bool = False) -> Quota:
        """Return a project's limits, with `usages` also what it uses of them."""
        query = {"usages": "true"} if usages else {}
        found = Quota.new(id=project).call(self, "GET", params=query)
        limits: dict[str, Any] = errors.body_of(found)
        if not usages:
            return Quota.existing(id=project, **limits)
        used = {name: entry["in_use"] for name, entry in limits.items()}
        return Quota.existing(
            id=project, in_use=used, **{name: entry["limit"] for name, entry in limits.items()}
        )

    def get_quota_defaults(self, project: str) -> Quota:
        """Return the limits that a project has without any of its own."""
        found = Quota.new(id=project).call(self, "GET", "defaults")
        return Quota.existing(id=project, **errors.body_of(found))

    def update_quota(
        self,
        project: str,
        *,
        containers: int | None = None,
        cpu: int | None = None,
        disk: int | None = None,
        memory: int | None = None,
    ) -> Quota:
        """Set some of a project's limits, in the units of QuotaClass, and return all of them."""
        limits = _given(containers=containers, cpu=cpu, disk=disk, memory=memory)
        found = Quota.new(id=project).call(self, "PUT", json=limits)
        return Quota.existing(id=project, **errors.body_of(found))

    def revert_quota(self, project: str) -> None:
        """Take a project's own limits away, so that the defaults hold."""
        Quota.new(id=project).call(self, "DELETE")

    def get_quota_class(self, name: str) -> QuotaClass:
        """Return the limits of a class."""
        found = QuotaClass.new(id=name).call(self, "GET")
        return QuotaClass.existing(id=name, **errors.body_of(found))

    def update_quota_class(
        self,
        name: str,
        *,
        containers: int | None = None,
        cpu: int | None = None,
        disk: int | None = None,
        memory: int | None = None,
    ) -> QuotaClass:
        """Set some limits of a class and return all of them; nothing unsets them."""
        limits = _given(containers=containers, cpu=cpu, disk=disk, memory=memory)
        found = QuotaClass.new(id=name).call(self, "PUT", json=limits)
        return QuotaClass.existing(id=name, **errors.body_of(found))


def _given(**limits: int | None) -> dict[str, int]:
    return {name: limit for name, limit in limits.items() if limit is not None}
