"""Which container holds which port of the simulated host."""

from __future__ import annotations

from collections.abc import Sequence

from zun_compose.container import Published
from zun_compose.errors import Conflict
from zun_compose.model import Port

_EPHEMERAL = 32768
_LAST = 65536
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - recognised, never bound


class HostPorts:
    """Hands out host ports: fixed ones, the first free of a range, or ephemeral ones."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], dict[str, str]] = {}
        self._next = _EPHEMERAL

    def take(self, container: str, ports: Sequence[Port]) -> tuple[Published, ...]:
        """Take all ports for a container, or none.

        Raises:
            Conflict: one of them is allocated.
        """
        taken: list[Published] = []
        try:
            for port in ports:
                taken.append(self._take(container, port))  # noqa: PERF401 - what was taken is given back
        except Conflict:
            self.release(container, taken)
            raise
        return tuple(taken)

    def release(self, container: str, ports: Sequence[Published]) -> None:
        """Give back what a container held."""
        for port in ports:
            key = (port.protocol, port.host_port)
            holders = self._held.get(key, {})
            if holders.get(port.host_ip) == container:
                del holders[port.host_ip]
            if not holders:
                self._held.pop(key, None)

    def _take(self, container: str, port: Port) -> Published:
        address = port.host_ip or "0.0.0.0"  # noqa: S104 - a name in a table
        candidates: Sequence[int] = range(self._next, _LAST)
        if port.published:
            first, _, last = port.published.partition("-")
            candidates = range(int(first), int(last or first) + 1)
        for number in candidates:
            if self._free(port.protocol, number, address):
                self._held.setdefault((port.protocol, number), {})[address] = container
                if not port.published:
                    self._next = number + 1 if number + 1 < _LAST else _EPHEMERAL
                return Published(
                    target=port.target, protocol=port.protocol, host_ip=address, host_port=number
                )
        wanted = f"{address}:{port.published or 'any'}/{port.protocol}"
        raise Conflict(f"port is already allocated: {wanted}")

    def _free(self, protocol: str, number: int, address: str) -> bool:
        holders = self._held.get((protocol, number))
        if not holders:
            return True
        everywhere = any(holder in _ANYWHERE for holder in holders)
        return not everywhere and address not in _ANYWHERE and address not in holders
