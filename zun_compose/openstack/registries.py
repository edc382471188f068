"""Private registries that containers may be pulled from."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, overload

from openstack import resource

from zun_compose.openstack.resource import ZunResource, remove
from zun_compose.openstack.session import ZunSession


class Registry(ZunResource):
    """A registry and how to log in to it. Since 1.30. Zun never tells the password, nor does the repr."""

    resource_key = "registry"
    resources_key = "registries"
    base_path = "/registries"
    commit_method = "PATCH"
    since = "1.30"
    allow_create = True
    allow_fetch = True
    allow_commit = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "name", "domain", "username", "project_id", "user_id", "all_projects", "sort_key", "sort_dir"
    )

    domain: str = resource.Body("domain")
    """Host and port."""
    links: list[dict[str, str]] = resource.Body("links", type=list)
    password: str = resource.Body("password")
    """"***" in answers."""
    project_id: str = resource.Body("project_id")
    user_id: str = resource.Body("user_id")
    username: str = resource.Body("username")


class RegistryCalls(ZunSession):
    """Registries, each given by id, name or resource. Since 1.30."""

    def registries(self, **query: Any) -> Generator[Registry, None, None]:
        """Yield registries, page after page.

        `query`: name, domain, username, project_id, user_id, all_projects, sort_key, sort_dir, limit, marker.
        """
        return self._list(Registry, **query)

    def get_registry(self, registry: str | Registry) -> Registry:
        """Return a registry.

        Raises:
            NotFound: There is none.
        """
        return self._get_resource(Registry, registry).fetch(self, skip_cache=True)

    @overload
    def find_registry(self, name_or_id: str, ignore_missing: Literal[False]) -> Registry: ...

    @overload
    def find_registry(self, name_or_id: str, ignore_missing: bool = True) -> Registry | None: ...

    def find_registry(self, name_or_id: str, ignore_missing: bool = True) -> Registry | None:
        """Return the registry of that name or id; None if there is none.

        Raises:
            AmbiguousName: Several have that name.
            NotFound: There is none, and `ignore_missing` is false.
        """
        return Registry.find(self, name_or_id, ignore_missing)

    def create_registry(
        self,
        domain: str,
        *,
        name: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> Registry:
        """Create a registry.

        Args:
            domain: Its host and port.
            name: For create_container's `registry`.
            username: Whom to log in as.
            password: With what; it is in no error and no log.

        Raises:
            BadRequest: A value is impossible.
        """
        given = {"domain": domain, "name": name, "username": username, "password": password}
        return self._create(Registry, **{key: value for key, value in given.items() if value is not None})

    def update_registry(
        self,
        registry: str | Registry,
        *,
        domain: str | None = None,
        name: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> Registry:
        """Change a registry and return it; what is None stays.

        Raises:
            NotFound: There is none.
        """
        given = {"domain": domain, "name": name, "username": username, "password": password}
        changes = {key: value for key, value in given.items() if value is not None}
        found = self._get_resource(Registry, registry)
        found._translate_response(found.call(self, "PATCH", json={"registry": changes}))
        return found

    def delete_registry(self, registry: str | Registry, ignore_missing: bool = True) -> None:
        """Delete a registry.

        Raises:
            NotFound: There is none, and `ignore_missing` is false.
        """
        remove(self, self._get_resource(Registry, registry), ignore_missing)
