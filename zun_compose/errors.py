"""The whole exception tree, and the faults that carry a place in a file.

::

    ZunComposeError
    +-- UsageError            usage            exit 2   the command line or API was misused
    +-- SpecError             spec.*           exit 2   the stack file is wrong; holds every Fault found
    +-- StateError            state.*          exit 1   our own state files or lock stand in the way
    +-- DriverError           driver.*         exit 1   the engine said no
    |   +-- NotFound          driver.not_found
    |   +-- Conflict          driver.conflict
    |   +-- Rejected          driver.rejected
    |   +-- Unsupported       driver.unsupported
    |   +-- Unavailable       driver.unavailable     retryable
    |   +-- DriverTimeout     driver.timeout         retryable
    +-- OperationError        operation.failed exit 1   some services did not get where they should
    +-- Cancelled             operation.cancelled exit 130

Codes are stable: programs may match on them. Messages are for people: lower case, the subject in
double quotes, the cause last. No message may hold the value of a secret or of an environment entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Mark(NamedTuple):
    """A place in a stack file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Fault(NamedTuple):
    """One thing that is wrong with a stack file.

    `what` says what is wrong, `hint` what to do about it (may be empty).
    `code` is stable, such as "spec.cycle" or "spec.unknown_key". `excerpt` shows the place: the line with its
    number, and a caret on a second one; empty where nothing is to be shown, None where nobody looked. What
    may be secret is left out of it.
    """

    code: str
    what: str
    mark: Mark | None = None
    hint: str = ""
    excerpt: str | None = None

    def __str__(self) -> str:
        place = f"{self.mark}: " if self.mark else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.what}{hint}"


class ZunComposeError(Exception):
    """Root of all errors that this package raises on purpose."""

    code = "error"
    exit_code = 1
    retryable = False


class UsageError(ZunComposeError):
    """The caller asked for something that makes no sense."""

    code = "usage"
    exit_code = 2


class SpecError(ZunComposeError):
    """A stack file is wrong. Holds all faults that were found, in file order; its text has no excerpts."""

    code = "spec"
    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.code = self.faults[0].code if self.faults else "spec"
        super().__init__("\n".join(str(fault) for fault in self.faults))


class StateError(ZunComposeError):
    """A state file or lock of ours cannot be used; nothing was changed."""

    code = "state"

    def __init__(self, message: str, *, code: str = "state") -> None:
        super().__init__(message)
        self.code = code


class DriverError(ZunComposeError):
    """The engine refused or failed. Drivers raise only subclasses of this.

    `reason` is the engine's word alone, for whoever says by himself what was tried; the message if it
    has no such part.
    """

    code = "driver"

    def __init__(self, message: str = "", *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class NotFound(DriverError):
    """The named container, network, volume or image does not exist."""

    code = "driver.not_found"


class Conflict(DriverError):
    """The name is taken, or the object is in a state that forbids the call."""

    code = "driver.conflict"


class Rejected(DriverError):
    """The engine found the request invalid; repeating it will not help."""

    code = "driver.rejected"


class Unsupported(DriverError):
    """The engine or driver cannot do this at all."""

    code = "driver.unsupported"


class Unavailable(DriverError):
    """The engine does not answer, or answered that it cannot now."""

    code = "driver.unavailable"
    retryable = True


class DriverTimeout(DriverError):
    """A call was not answered in its time; whether it took effect is unknown."""

    code = "driver.timeout"
    retryable = True


class OperationError(ZunComposeError):
    """An operation ended with services that are not where they should be.

    The message holds one line a cause, root causes first.
    """

    code = "operation.failed"


class Cancelled(ZunComposeError):
    """The operation was interrupted by its user."""

    code = "operation.cancelled"
    exit_code = 130
