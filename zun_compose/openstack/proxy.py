"""The Proxy: all of Zun's calls on one object."""

from __future__ import annotations

from zun_compose.openstack.actions import ActionCalls
from zun_compose.openstack.attachments import AttachmentCalls
from zun_compose.openstack.capsules import CapsuleCalls
from zun_compose.openstack.containers import ContainerCalls
from zun_compose.openstack.hosts import HostCalls
from zun_compose.openstack.images import ImageCalls
from zun_compose.openstack.inside import InsideCalls
from zun_compose.openstack.lifecycle import LifecycleCalls
from zun_compose.openstack.quotas import QuotaCalls
from zun_compose.openstack.registries import RegistryCalls


class Proxy(
    ContainerCalls,
    LifecycleCalls,
    InsideCalls,
    AttachmentCalls,
    ActionCalls,
    CapsuleCalls,
    ImageCalls,
    HostCalls,
    QuotaCalls,
    RegistryCalls,
):
    """Zun, spoken to through a Connection: `conn.container`.

    Every call has timeouts (`timeouts`) and, where repeating it is harmless, retries (`retries`). Errors are
    those of zun_compose.openstack.errors.
    """
