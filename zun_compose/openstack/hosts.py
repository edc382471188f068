"""What containers run on: compute hosts, availability zones, and Zun's services. Mostly for admins."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, overload

from openstack import resource

from zun_compose.openstack import errors
from zun_compose.openstack.resource import ZunResource, wire
from zun_compose.openstack.session import ZunSession


class Host(ZunResource):
    """A compute host. Since 1.4."""

    resources_key = "hosts"
    base_path = "/hosts"
    since = "1.4"
    allow_fetch = True
    allow_list = True

    _query_mapping = resource.QueryParameters("sort_key", "sort_dir")

    name: str = resource.Body("hostname")
    architecture: str = resource.Body("architecture")
    cpu_used: float = resource.Body("cpu_used", type=float)
    cpus: int = resource.Body("cpus", type=int)
    disk_quota_supported: bool = resource.Body("disk_quota_supported", type=bool)
    disk_total: int = resource.Body("disk_total", type=int)
    """GiB."""
    disk_used: int = resource.Body("disk_used", type=int)
    """GiB."""
    enable_cpu_pinning: bool = resource.Body("enable_cpu_pinning", type=bool)
    """Since 1.29."""
    hostname: str = resource.Body("hostname")
    kernel_version: str = resource.Body("kernel_version")
    labels: dict[str, str] = resource.Body("labels", type=dict)
    links: list[dict[str, str]] = resource.Body("links", type=list)
    mem_total: int = resource.Body("mem_total", type=int)
    """MiB."""
    mem_used: int = resource.Body("mem_used", type=int)
    """MiB."""
    os: str = resource.Body("os")
    os_type: str = resource.Body("os_type")
    runtimes: list[str] = resource.Body("runtimes", type=list)
    total_containers: int = resource.Body("total_containers", type=int)


class AvailabilityZone(ZunResource):
    """An availability zone; its name is its id."""

    resources_key = "availability_zones"
    base_path = "/availability_zones"
    paged = False
    allow_list = True

    id: str = resource.Body("availability_zone", alternate_id=True)
    name: str = resource.Body("availability_zone")


class Service(ZunResource):
    """One of Zun's processes on a host; a host and a binary name it."""

    resources_key = "services"
    resource_key = "service"
    base_path = "/services"
    paged = False
    allow_list = True

    id: int = resource.Body("id")  # type: ignore[assignment]
    availability_zone: str = resource.Body("availability_zone")
    binary: str = resource.Body("binary")
    """Such as "zun-compute"."""
    disabled: bool = resource.Body("disabled", type=bool)
    """Whether the scheduler passes the host over."""
    disabled_reason: str = resource.Body("disabled_reason")
    forced_down: bool = resource.Body("forced_down", type=bool)
    host: str = resource.Body("host")
    last_seen_up: str = resource.Body("last_seen_up")
    report_count: int = resource.Body("report_count", type=int)
    state: str = resource.Body("state")
    """"up" or "down"."""


class HostCalls(ZunSession):
    """Hosts, zones and services."""

    def hosts(self, **query: Any) -> Generator[Host, None, None]:
        """Yield compute hosts, page after page; `query` as for containers, all compared here. Since 1.4."""
        return self._list(Host, **query)

    def get_host(self, host: str | Host) -> Host:
        """Return a compute host, by id, name or resource. Since 1.4.

        Raises:
            NotFound: There is none.
        """
        return self._get_resource(Host, host).fetch(self, skip_cache=True)

    @overload
    def find_host(self, name_or_id: str, ignore_missing: Literal[False]) -> Host: ...

    @overload
    def find_host(self, name_or_id: str, ignore_missing: bool = True) -> Host | None: ...

    def find_host(self, name_or_id: str, ignore_missing: bool = True) -> Host | None:
        """Return the compute host of that name or id; None if there is none. Since 1.4.

        Raises:
            NotFound: There is none, and `ignore_missing` is false.
        """
        return Host.find(self, name_or_id, ignore_missing)

    def availability_zones(self) -> Generator[AvailabilityZone, None, None]:
        """Yield the availability zones."""
        return self._list(AvailabilityZone)

    def services(self, **query: Any) -> Generator[Service, None, None]:
        """Yield Zun's services; `query` compares attributes, such as binary="zun-compute"."""
        return self._list(Service, **query)

    def enable_service(self, host: str, binary: str) -> Service:
        """Let the scheduler use a service again, and return what changed.

        Raises:
            NotFound: There is no such service.
        """
        return self._set_service("enable", {"host": host, "binary": binary})

    def disable_service(self, host: str, binary: str, reason: str | None = None) -> Service:
        """Have the scheduler pass a service over, and return what changed.

        Raises:
            NotFound: There is no such service.
        """
        return self._set_service("disable", {"host": host, "binary": binary, "disabled_reason": reason})

    def force_down_service(self, host: str, binary: str, forced_down: bool = True) -> Service:
        """Have a service taken for down whatever it reports, or no longer, and return what changed.

        Raises:
            NotFound: There is no such service.
        """
        return self._set_service("force_down", {"host": host, "binary": binary, "forced_down": forced_down})

    def delete_service(self, host: str, binary: str, ignore_missing: bool = True) -> None:
        """Remove a service's record. One that still runs fails from then on until it is restarted.

        Raises:
            NotFound: There is none, and `ignore_missing` is false.
        """
        microversion = self.choose_microversion("delete_service")
        query = {"host": host, "binary": binary}
        response = self.delete("/services", params=query, microversion=microversion)
        if not (response.status_code == 404 and ignore_missing):
            errors.raise_for(response)

    def _set_service(self, verb: str, query: dict[str, Any]) -> Service:
        microversion = self.choose_microversion(f"{verb}_service")
        response = self.put(f"/services/{verb}", params=wire(query), microversion=microversion)
        service = Service.new(connection=self._get_connection())
        service._translate_response(response)
        return service
