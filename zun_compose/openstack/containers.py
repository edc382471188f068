"""Making, finding, changing and removing containers."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from typing import Any, Literal, overload

from zun_compose.openstack import creation, errors, microversions
from zun_compose.openstack.container import COMMAND_IS_LIST, Container
from zun_compose.openstack.microversions import Microversion
from zun_compose.openstack.resource import remove, wire
from zun_compose.openstack.session import ZunSession


class ContainerCalls(ZunSession):
    """Making, finding, changing and removing containers; each is given by id, name or resource."""

    def containers(self, **query: Any) -> Generator[Container, None, None]:
        """Yield containers, page after page as they are consumed, the oldest first.

        Args:
            **query: Server side: name, image, project_id, user_id, memory, host, task_state, status,
                auto_remove, all_projects (admins), sort_key, sort_dir ("asc", "desc"), limit (of a page),
                marker (the id to begin after). Any other attribute is compared here. max_items ends early.

        Raises:
            InvalidResourceQuery: Containers have no such attribute.
        """
        return self._list(Container, **query)

    def get_container(self, container: str | Container, *, all_projects: bool = False) -> Container:
        """Return a container as its engine sees it now.

        Raises:
            NotFound: There is none.
            AmbiguousName: Several have that name.
        """
        found = self._get_resource(Container, container)
        return found.fetch(self, skip_cache=True, **wire({"all_projects": all_projects or None}))

    @overload
    def find_container(
        self, name_or_id: str, ignore_missing: Literal[False], *, all_projects: bool = False
    ) -> Container: ...

    @overload
    def find_container(
        self, name_or_id: str, ignore_missing: bool = True, *, all_projects: bool = False
    ) -> Container | None: ...

    def find_container(
        self, name_or_id: str, ignore_missing: bool = True, *, all_projects: bool = False
    ) -> Container | None:
        """Return the container of that name or id, as its engine sees it now; None if there is none.

        Raises:
            AmbiguousName: Several have that name.
            NotFound: There is none, and `ignore_missing` is false.
        """
        return Container.find(self, name_or_id, ignore_missing, all_projects=all_projects or None)

    def create_container(self, image: str, *, run: bool = False, **attributes: Any) -> Container:
        """Create a container; Zun answers before it pulled or made anything, so wait_for_status next.

        Safe when the answer is lost: each call adds a label of its own and looks for it before trying again.
        Of duplicates the oldest stays. Without a `name` one is made up, since that is what is looked for.

        Args:
            image: The image, as its driver names it.
            run: Whether to start it too.
            **attributes: As Container has them, without what is None. `command` and `entrypoint` are lists.

        Raises:
            BadRequest: An attribute is unknown or has an impossible value.
            QuotaExceeded: The project has no room; `resources` says of what.
            Forbidden: The policy keeps an attribute for others, such as `image_pull_policy`.
            MicroversionNotSupported: An attribute needs a newer microversion.
            CreationUnknown: The answer was lost, and nobody can be asked any more.
        """
        given = {name: value for name, value in attributes.items() if value is not None}
        since, key = microversions.needed_to_create(given)
        microversion = self.choose_microversion(f'a container with "{key}"' if key else "a container", since)
        command = given.get("command")
        if command is not None and not isinstance(command, str):
            old = Microversion.parse(microversion) < COMMAND_IS_LIST
            given["command"] = shlex.join(command) if old else list(command)
        name = given.pop("name", None) or creation.new_name()
        token = creation.new_token()
        labels = {**(given.pop("labels", None) or {}), creation.LABEL: token}
        body = {"image": image, "name": name, "labels": labels, **given}
        return creation.create(
            name,
            token,
            post=lambda: self._post_container(body, run, microversion),
            look=lambda: [made for made in self.containers(name=name) if _label(made) == token],
            discard=self._discard,
            abandon=self._abandon,
            sleep=self._sleep,
        )

    def _post_container(self, body: Mapping[str, Any], run: bool, microversion: str) -> Container:
        response = self.post(
            "/containers", json=body, params=wire({"run": run or None}), microversion=microversion
        )
        container = Container.new(connection=self._get_connection())
        container._translate_response(response)
        if not container.id:
            raise errors.unreadable(response, "lacks the container's id")
        container.microversion = microversion
        return container

    def _discard(self, container: Container) -> None:
        """Delete a duplicate, once Zun lets it be deleted."""
        for _ in range(60):
            try:
                return self.delete_container(container, stop=True)
            except errors.WrongState:
                self._sleep(1.0)
        raise errors.CallTimeout(f'the duplicate "{container.id}" cannot be deleted: delete it by hand')

    def _abandon(self, container: Container) -> None:
        """Delete what Zun left in Error, or in Creating, where only an admin may."""
        try:
            self.delete_container(container, stop=True)
        except errors.WrongState:
            self.delete_container(container, force=True)

    def update_container(
        self,
        container: str | Container,
        *,
        cpu: float | None = None,
        memory: int | str | None = None,
        name: str | None = None,
        auto_heal: bool | None = None,
    ) -> Container:
        """Change a container in place and return it.

        Args:
            container: Which.
            cpu: CPUs, 0.1 to 16.
            memory: MiB.
            name: A new name. Since 1.14; before it, rename_container.
            auto_heal: Whether Zun makes it anew when its engine lost it.

        Raises:
            WrongState: It is neither Created, Running, Stopped nor Paused.
            QuotaExceeded: The project has no room for so much more.
        """
        changes = {"cpu": cpu, "memory": memory, "name": name, "auto_heal": auto_heal}
        changes = {key: value for key, value in changes.items() if value is not None}
        found = self._get_resource(Container, container)
        response = found.call(self, "PATCH", json=changes, since="1.14" if name is not None else "1.1")
        found._translate_response(response)
        return found

    def rename_container(self, container: str | Container, name: str) -> Container:
        """Rename a container and return it. Below 1.14 by the call that Zun had then.

        Raises:
            Conflict: It has that name (below 1.14), or names are unique in this cloud and it is taken.
        """
        if self.get_microversions().highest >= Microversion(1, 14):
            return self.update_container(container, name=name)
        found = self._get_resource(Container, container)
        found._translate_response(found.call(self, "POST", "rename", params={"name": name}, until="1.13"))
        return found

    def resize_container(
        self, container: str | Container, *, cpu: float | None = None, memory: int | str | None = None
    ) -> Container:
        """Have a container's CPUs and memory (MiB) changed; its fetched `cpu` and `memory` tell when.

        Since 1.19.

        Raises:
            WrongState: It is neither Created, Running, Stopped nor Paused.
        """
        sizes = {key: value for key, value in {"cpu": cpu, "memory": memory}.items() if value is not None}
        found = self._get_resource(Container, container)
        found._translate_response(found.call(self, "POST", "resize_container", json=sizes, since="1.19"))
        return found

    def delete_container(
        self,
        container: str | Container,
        ignore_missing: bool = True,
        *,
        stop: bool = False,
        force: bool = False,
        all_projects: bool = False,
    ) -> None:
        """Have a container deleted; wait_for_delete tells when it is gone.

        Args:
            container: Which.
            ignore_missing: Whether it is fine that there is none.
            stop: Stop it first, with 10 s of grace, if it runs. Since 1.12.
            force: In any state, and without grace; for admins. Since 1.7.
            all_projects: Look in all projects, for admins.

        Raises:
            WrongState: Its state forbids it: without `stop` and `force` it must not run; `stop` does not help
                while it is Creating, Restarting, Paused or Unknown.
            NotFound: There is none, and `ignore_missing` is false.
            Forbidden: `force` is for admins.
        """
        params = {"stop": stop or None, "force": force or None, "all_projects": all_projects or None}
        found = self._get_resource(Container, container)
        since = "1.12" if stop else "1.7" if force else "1.1"
        try:
            remove(self, found, ignore_missing, params=params, since=since)
        except errors.WrongState as error:
            # A retry after a lost answer comes to a container that is on its way out.
            if error.state != "Deleting":
                raise


def _label(container: Container) -> str | None:
    return (container.labels or {}).get(creation.LABEL)
