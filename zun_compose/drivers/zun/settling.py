"""Floating IPs that do not carry what they are said to, and how they are made to.

Neutron's L3 agent is told of a forwarded port and of the router it goes through at the same time and works on
both side by side. If the forwarding comes first, there is no outside yet to put the floating IP on: the agent
reports ERROR, or nothing, and never tries again, because it counts the forwarding as done. Only a forwarding
that it has not seen makes it look again (neutron/agent/l3/extensions/port_forwarding.py, `_process_create`).
"""

from __future__ import annotations

import time

from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.errors import DriverTimeout

ACTIVE = "ACTIVE"
ERROR = "ERROR"

PATIENCE = 30.0
"""Seconds until a floating IP that nothing puts in place is left as it is."""

SILENCE = 5.0
"""Seconds without a word of the agent until the forwarding is made again."""


def settle(cloud: Cloud, floating: str) -> bool:
    """Wait until a floating IP with forwarded ports is in place, and have the agent look again if it is not.

    Returns whether it is in place; one whose router no agent carries is not waited for.
    """
    asked = time.monotonic()

    def look() -> bool | None:
        nonlocal asked
        found = cloud.neutron.get_ip(floating)
        if found.status == ACTIVE:
            return True
        if not _carried(cloud, found.router_id):
            return False
        # one that failed is busy with the router still: asked again at once it fails again
        if time.monotonic() - asked >= (1.0 if found.status == ERROR else SILENCE):
            _ask_again(cloud, floating)
            asked = time.monotonic()
        return None

    try:
        return cloud.until(look, "put a floating IP in place", PATIENCE)
    except DriverTimeout:
        return False


def _carried(cloud: Cloud, router: str | None) -> bool:
    """Whether an L3 agent has taken a router: that gives it a zone. Other backends need no help of ours."""
    found = router and cloud.neutron.find_router(router, ignore_missing=True)
    return bool(found and found.availability_zones)


def _ask_again(cloud: Cloud, floating: str) -> None:
    """Make one forwarding anew: it puts the address in place for all of them."""
    neutron = cloud.neutron
    # nobody takes the number in between, nor the forwarding away
    with cloud.lock:
        one = next(iter(neutron.floating_ip_port_forwardings(floating)), None)
        if one is None:
            return
        neutron.delete_floating_ip_port_forwarding(floating, one.id)
        neutron.create_floating_ip_port_forwarding(
            floating,
            internal_port_id=one.internal_port_id,
            internal_ip_address=one.internal_ip_address,
            internal_port=one.internal_port,
            external_port=one.external_port,
            protocol=one.protocol,
        )
