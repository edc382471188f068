"""The hosts file of a container: which names mean which addresses on its networks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from zun_compose.record import Record, field

PATH = "/etc/hosts"

_LOCAL = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "ff00::\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
)


class Place(Record, kw_only=True):
    """Where one container is found: its addresses and its names by the id of each network it is on.

    `since` puts containers in order: who came later stands further down, so that a file mostly grows.
    """

    name: str
    stack: str
    service: str
    since: str = ""
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def text(
    own: Place,
    others: Iterable[Place],
    *,
    hostname: str | None = None,
    links: Sequence[tuple[str, str]] = (),
    extra: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the file of `own`: itself, who shares a network with it, and what the service declares.

    `links` are pairs of a service of its stack and a further name for it, `extra` pairs of host and address.
    """
    lines = [*_LOCAL]
    lines += _lines(own, own.addresses, (hostname,) if hostname else ())
    lines += [f"{address}\t{host}" for host, address in extra]
    for other in sorted(others, key=lambda one: (one.since, one.name)):
        if other.name != own.name or other.stack != own.stack:
            given = [name for service, name in links if (other.stack, other.service) == (own.stack, service)]
            lines += _lines(other, own.addresses, given)
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _lines(one: Place, networks: Iterable[str], first: Iterable[str]) -> Iterator[str]:
    for network in networks:
        known = " ".join(dict.fromkeys((*first, one.name, *one.names.get(network, ()))))
        for address in one.addresses.get(network, ()):
            yield f"{address}\t{known}"


def linked(links: Iterable[str]) -> list[tuple[str, str]]:
    """Return links as pairs of service and name; what is written without a name goes by the service's."""
    pairs = (link.partition(":") for link in links)
    return [(service, name or service) for service, _, name in pairs]
