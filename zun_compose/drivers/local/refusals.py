"""What a stack asks for that is not to be had here: by the table, and by what no single attribute tells."""

from __future__ import annotations

from collections.abc import Iterator

from zun_compose.capability import Finding, Verdict, findings, in_vain, told
from zun_compose.drivers.local import cgroups, maps
from zun_compose.drivers.local.capabilities import ROOT, capabilities
from zun_compose.model import Service, Stack

_BUILD = "services.*.build"


def asked_in_vain(
    stack: Stack,
    *,
    isolated: bool = True,
    several_users: bool | None = None,
    limits: frozenset[str] | None = None,
) -> tuple[Finding, ...]:
    """Return what services ask for and do not get. What is None it looks for itself.

    `limits` are those that are kept (see `cgroups.kept`).
    """
    kept = cgroups.kept() if limits is None else limits
    several = maps.to_come() if several_users is None else several_users
    together = [
        found
        for service in stack.services.values()
        for found in (_users(service, several) if isolated else _shared_network(service))
    ]
    return (*findings(capabilities(isolated=isolated, limits=kept), stack), *together)


def is_build(finding: Finding) -> bool:
    """Whether it is about a build, which only stands in the way where the image is not here yet."""
    return finding.paths[0] == _BUILD


def refusals(
    service: Service, user: str | None = None, *, isolated: bool = True, several_users: bool | None = None
) -> tuple[str, ...]:
    """Return why one service cannot be run here; `user` is the effective one, its image's perhaps."""
    alone = Stack(name="", services={service.name: service})
    found = [
        one
        for one in asked_in_vain(
            # limits are never refused: no need to look
            alone,
            isolated=isolated,
            several_users=several_users,
            limits=cgroups.EVERY,
        )
        if not is_build(one)
    ]
    if user is not None and user != (service.user or "") and isolated:
        several = maps.to_come() if several_users is None else several_users
        found += _other_user(service, user, several)
    return told(found, Verdict.REFUSES).get(service.name, ())


def _users(service: Service, several: bool) -> Iterator[Finding]:
    yield from _other_user(service, service.user or "", several)
    if service.group_add and not several:
        yield in_vain(service, "group_add", f"a container of yours has one group; {_SEVERAL}")
    for kind, uses in (("configs", service.configs), ("secrets", service.secrets)):
        owned = [use.source for use in uses if (use.uid or "0", use.gid or "0") != ("0", "0")]
        if owned and not several:
            note = "not carried out: root is the only user in there"
            yield in_vain(service, f"{kind}.uid", note, ", ".join(owned), Verdict.IGNORES)


_SEVERAL = (
    "several need newuidmap: install the package uidmap (shadow-utils) and give yourself a range in "
    "/etc/subuid and /etc/subgid"
)


def _other_user(service: Service, user: str, several: bool) -> Iterator[Finding]:
    if user.partition(":")[0] not in ROOT and not several:
        note = f"a container of yours has one user, root, who is you outside; {_SEVERAL}"
        yield in_vain(service, "user", note, user)


def _shared_network(service: Service) -> Iterator[Finding]:
    if service.networks is not None and len(service.networks) > 1:
        note = "several networks need a namespace: there is one, the machine's"
        yield in_vain(service, "networks", note)
    for port in service.ports:
        if port.published not in (None, str(port.target)):
            note = "a published port must be the one that is listened on"
            yield in_vain(service, "ports.published", note, f"{port.published}:{port.target}")
    if (service.ports or service.expose) and service.replicas > 1:
        note = f"{service.replicas} replicas would listen on the same port: scale it to 1"
        yield in_vain(service, "scale", note)
