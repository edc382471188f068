"""Capsules: groups of containers on one host that share their network, as a Kubernetes pod does."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Literal, overload

from openstack import resource

from zun_compose.openstack.resource import ZunResource, remove, wire
from zun_compose.openstack.session import ZunSession


class Capsule(ZunResource):
    """A capsule, in the form that Zun gives it since 1.32; older ones are not spoken.

    Zun starts and stops no capsule, and shows no log of one.
    """

    resources_key = "capsules"
    base_path = "/capsules"
    since = "1.32"
    allow_create = True
    allow_fetch = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters("all_projects", "sort_key", "sort_dir")

    addresses: dict[str, list[dict[str, Any]]] = resource.Body("addresses", type=dict)
    annotations: dict[str, str] = resource.Body("annotations", type=dict)
    """Since 1.38."""
    containers: list[dict[str, Any]] = resource.Body("containers", type=list)
    """As Container has them."""
    cpu: float = resource.Body("cpu", type=float)
    """CPUs of all its containers."""
    host: str = resource.Body("host")
    init_containers: list[dict[str, Any]] = resource.Body("init_containers", type=list)
    """As Container has them. Since 1.34."""
    labels: dict[str, str] = resource.Body("labels", type=dict)
    links: list[dict[str, str]] = resource.Body("links", type=list)
    memory: int = resource.Body("memory", type=int)
    """MiB of all its containers."""
    project_id: str = resource.Body("project_id")
    restart_policy: dict[str, str] = resource.Body("restart_policy", type=dict)
    status: str = resource.Body("status")
    """Creating, Pending, Running, Succeeded, Failed, Unknown; with some drivers never refreshed."""
    status_reason: str = resource.Body("status_reason")
    template: dict[str, Any] = resource.Body("template", type=dict)
    """What it is made from; only asked."""
    user_id: str = resource.Body("user_id")


class CapsuleCalls(ZunSession):
    """Capsules, each given by id, name or resource. Since 1.32."""

    def capsules(self, **query: Any) -> Generator[Capsule, None, None]:
        """Yield capsules, page after page; `query` as for containers, but Zun filters by nothing."""
        return self._list(Capsule, **query)

    def get_capsule(self, capsule: str | Capsule) -> Capsule:
        """Return a capsule.

        Raises:
            NotFound: There is none.
            AmbiguousName: Several have that name.
        """
        return self._get_resource(Capsule, capsule).fetch(self, skip_cache=True)

    @overload
    def find_capsule(self, name_or_id: str, ignore_missing: Literal[False]) -> Capsule: ...

    @overload
    def find_capsule(self, name_or_id: str, ignore_missing: bool = True) -> Capsule | None: ...

    def find_capsule(self, name_or_id: str, ignore_missing: bool = True) -> Capsule | None:
        """Return the capsule of that name or id; None if there is none.

        Raises:
            AmbiguousName: Several have that name.
            NotFound: There is none, and `ignore_missing` is false.
        """
        return Capsule.find(self, name_or_id, ignore_missing)

    def create_capsule(self, template: Mapping[str, Any]) -> Capsule:
        """Have a capsule created and started; wait_for_status next.

        If the answer is lost, CallTimeout or Unreachable says so; whoever goes on looks for its name first.

        Args:
            template: kind "capsule", capsuleVersion "beta", metadata (name, labels, annotations), spec
                (containers, initContainers, volumes, restartPolicy), availabilityZone.

        Raises:
            BadRequest: The template is not one.
        """
        return self._create(Capsule, template=dict(template))

    def delete_capsule(
        self, capsule: str | Capsule, ignore_missing: bool = True, *, all_projects: bool = False
    ) -> None:
        """Have a capsule deleted in any state; wait_for_delete tells when it is gone.

        Raises:
            NotFound: There is none, and `ignore_missing` is false.
        """
        query = wire({"all_projects": all_projects or None})
        remove(self, self._get_resource(Capsule, capsule), ignore_missing, params=query)
