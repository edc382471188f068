"""Creating a container so that a lost answer makes neither two nor none.

Names are not unique in Zun, so a second POST after a lost answer may make a second container. Each call
therefore writes a label of its own; who does not know whether a POST took effect looks for it first.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from openstack import exceptions as sdk

from zun_compose.openstack import errors

if TYPE_CHECKING:
    from zun_compose.openstack.container import Container

_LOG = logging.getLogger(__name__)

# The label's key; its value is one call's token.
LABEL = "zun-compose.creation"

TRIES = 3

# How long, in seconds, an unanswered POST gets to show its container before it is sent again. Zun writes the
# container before it answers and after it asked Neutron and Cinder, so this covers a merely slow server.
PAUSES = (0.25, 0.5, 1.0, 2.0)

# After these the container may exist: no answer, or one by somebody before Zun.
UNKNOWN = (errors.CallTimeout, errors.Unreachable, errors.Unavailable, errors.Unreadable)


def new_token() -> str:
    """Return a value that no other call has."""
    return uuid.uuid4().hex


def new_name() -> str:
    """Return a name for a container that was given none."""
    return f"container-{uuid.uuid4().hex[:12]}"


def create(
    name: str,
    token: str,
    *,
    post: Callable[[], Container],
    look: Callable[[], list[Container]],
    discard: Callable[[Container], None],
    abandon: Callable[[Container], None],
    sleep: Callable[[float], None],
) -> Container:
    """Create one container, and return it.

    Args:
        name: Its name, for errors.
        token: The label's value, for errors.
        post: Asks Zun once to create it.
        look: Returns those with the label, the oldest first.
        discard: Deletes one that Zun is making or has made.
        abandon: Deletes one that Zun refused to make, if that is allowed.
        sleep: Waits so many seconds.

    Raises:
        CreationUnknown: Neither creating nor looking was answered.
        ServiceError: Zun refused. A note names what it left behind all the same and nobody may delete.
    """
    lost: sdk.SDKException | None = None
    for _ in range(TRIES):
        try:
            made = post()
        except UNKNOWN as error:
            lost = error
            if found := _look_patiently(name, token, look, sleep, error):
                return _oldest(found, discard)
            continue
        except errors.ServiceError as refused:
            _sweep(refused, look, abandon)
            raise
        if lost is None:
            return made
        # An earlier POST may have come through after all.
        return _oldest(look() or [made], discard)
    assert lost is not None
    raise lost


def _look_patiently(
    name: str,
    token: str,
    look: Callable[[], list[Container]],
    sleep: Callable[[float], None],
    lost: sdk.SDKException,
) -> list[Container]:
    for pause in PAUSES:
        sleep(pause)
        try:
            found = look()
        except UNKNOWN as error:
            message = f'whether container "{name}" was created is unknown: {lost}; then {error}'
            raise errors.CreationUnknown(message, name=name, token=token) from None
        if found:
            return found
    return []


def _sweep(
    refused: errors.ServiceError, look: Callable[[], list[Container]], abandon: Callable[[Container], None]
) -> None:
    """Delete what Zun wrote down before it found what it refused, such as a volume that does not exist."""
    if refused.status_code in (401, 403, 406, 429) or refused.code.endswith("schema-validation-error"):
        # Found before anything was written.
        return
    try:
        for container in look():
            try:
                abandon(container)
            except sdk.SDKException as error:
                refused.add_note(f'Zun left container "{container.id}": {error}')
    except sdk.SDKException as error:
        refused.add_note(f"whether Zun left a container is unknown: {error}")


def _oldest(found: list[Container], discard: Callable[[Container], None]) -> Container:
    stays, *later = found
    for duplicate in later:
        try:
            discard(duplicate)
        except sdk.SDKException as error:
            # The container asked for exists all the same.
            _LOG.warning('container "%s" is a duplicate of "%s" and stays: %s', duplicate.id, stays.id, error)
    return stays
