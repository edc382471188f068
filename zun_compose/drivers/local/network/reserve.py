"""Takes published ports of the machine: bound, not listening, so that nobody is let in too early.

Runs in the machine's own namespaces. The sockets belong to the machine's network for ever, whatever
namespace their holder is in later.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from zun_compose.container import PortKey
from zun_compose.errors import Conflict, Rejected, Unavailable
from zun_compose.model import Port
from zun_compose.record import Record

_TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_EPHEMERAL_TRIES = 16
_BACKLOG = 1024


class Reservation(Record, kw_only=True):
    """A port of the machine, held by `sockets` (IPv4, IPv6 or both), to be forwarded to `target`."""

    target: PortKey
    host_ip: str
    host_port: int
    sockets: tuple[socket.socket, ...]

    def close(self) -> None:
        """Give the port back."""
        for one in self.sockets:
            one.close()


def reserve(port: Port) -> Reservation:
    """Take a published port; of a range the first that is free, of none declared any that is free.

    Without `host_ip` it is taken on all addresses, of IPv4 and, where the machine has it, IPv6.
    Raises Conflict if it is taken, Rejected if we may not have it or the declaration makes no sense.
    """
    if port.protocol not in _TYPES:
        raise Rejected(f'port "{port.target}/{port.protocol}": only tcp and udp can be published here')
    hosts = _hosts(port.host_ip)
    for number in _candidates(port, hosts[0]):
        sockets = _bind(port, hosts, number)
        if sockets:
            return Reservation(
                target=PortKey(port.target, port.protocol),
                host_ip=hosts[0],
                host_port=number,
                sockets=sockets,
            )
    if port.published is None:
        raise Unavailable(f'no free port of the machine for "{port.target}/{port.protocol}"')
    raise Conflict(
        f'port "{port.published}/{port.protocol}" of the machine is taken: '
        "stop what uses it, or publish another port"
    )


def open_listener(reserved: socket.socket) -> None:
    """Let a reserved TCP socket listen. Raises OSError."""
    # Connections that were accepted here may linger; with this on both sides they do not count as
    # "in use" (socket(7)). It is off while we do not listen, when it would let others bind the port.
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.listen(_BACKLOG)


def close_listener(reserved: socket.socket) -> None:
    """Let it no longer listen, and stay bound: shutdown(2) of a listener gives up only its queue."""
    with suppress(OSError):
        reserved.shutdown(socket.SHUT_RDWR)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def _hosts(host_ip: str | None) -> tuple[str, ...]:
    if not host_ip:
        return ("0.0.0.0", "::")  # noqa: S104 - published on all addresses is what the file asks for
    try:
        return (str(ip_address(host_ip.strip("[]"))),)
    except ValueError:
        raise Rejected(f'host_ip "{host_ip}" is no address') from None


def _candidates(port: Port, host: str) -> Iterator[int]:
    if port.published in (None, "", "0"):
        for _ in range(_EPHEMERAL_TRIES):
            # Found and given back: only a port that was asked for by number outlives a listener's
            # shutdown (the kernel's SOCK_BINDPORT_LOCK).
            with socket.socket(_family(host), _TYPES[port.protocol]) as finder:
                try:
                    finder.bind((host, 0))
                except OSError as error:
                    raise _refused(port, host, 0, error) from None
                found: int = finder.getsockname()[1]
            yield found
        return
    assert port.published is not None
    first, _, last = port.published.partition("-")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        low = high = 0
    if not 0 < low <= high <= 65535:
        raise Rejected(f'published port "{port.published}" is neither a port nor a range')
    yield from range(low, high + 1)


def _bind(port: Port, hosts: tuple[str, ...], number: int) -> tuple[socket.socket, ...]:
    """The sockets that hold it; none if it is taken."""
    made: list[socket.socket] = []
    try:
        for host in hosts:
            try:
                made.append(_bound(host, number, port.protocol))
            except OSError as error:
                if host == "::" and made and error.errno in _NO_IPV6:
                    continue
                if error.errno == errno.EADDRINUSE:
                    for one in made:
                        one.close()
                    return ()
                raise
    except OSError as error:
        for one in made:
            one.close()
        raise _refused(port, hosts[0], number, error) from None
    return tuple(made)


def _bound(host: str, number: int, protocol: str) -> socket.socket:
    one = socket.socket(_family(host), _TYPES[protocol])
    try:
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            one.bind((host, number))
        except OSError as error:
            if protocol != "tcp" or error.errno != errno.EADDRINUSE:
                raise
            _bind_over_remains(one, host, number)
    except OSError:
        one.close()
        raise
    return one


def _bind_over_remains(one: socket.socket, host: str, number: int) -> None:
    """Bind although connections of an earlier holder still linger, but not beside another holder.

    Only having listened once makes the kernel compare with each later binder again, and SO_REUSEADDR off
    then makes it refuse them (inet_csk_get_port keeps a shortcut for ports where all may be reused).
    """
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host, number))
    one.listen(1)
    close_listener(one)


def _refused(port: Port, host: str, number: int, error: OSError) -> Rejected:
    subject = f'port "{port.published or number}/{port.protocol}" of the machine'
    if error.errno in (errno.EACCES, errno.EPERM):
        return Rejected(
            f"{subject} is only for root: publish one from {_unprivileged()} on, or lower "
            "the setting net.ipv4.ip_unprivileged_port_start",
            reason="permission denied",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return Rejected(f'{subject} cannot be taken: the machine has no address "{host}"')
    return Rejected(f"{subject} cannot be taken: {error.strerror}", reason=str(error.strerror))


def _unprivileged() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1024


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
