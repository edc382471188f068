"""Reading and writing one state file: private, atomic, versioned. Knows nothing of what is in it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zun_compose import __version__
from zun_compose.errors import StateError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
# Ours are a few kilobytes; a file beyond this is not ours and is not worth the memory.
MAX_BYTES = 16 * 1024 * 1024


def folder(path: Path) -> Path:
    """Make a folder of the state root, and the root, where missing, for our user alone; raises StateError.

    Folders that exist keep their mode: the root may be one that the user chose and shares.
    """
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise unusable(path, error) from error
    return path


def read(path: Path, newest: int) -> dict[str, Any] | None:
    """Return the content of a state file of format `newest` or older; None if there is no file.

    Raises StateError: `state.newer` for a newer format, `state.broken` for anything that is not a
    state file, `state.unusable` if it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, error) from error
    if len(text) > MAX_BYTES:
        raise broken(path, "it is too big")
    return decode(path, text, newest)


def decode(path: Path, text: bytes, newest: int) -> dict[str, Any]:
    """Check the text of the state file at `path`; raises StateError as `read` does."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken(path, "it is not JSON") from error
    if not isinstance(body, dict):
        raise broken(path, "it is not a JSON object")
    number = body.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise broken(path, "it has no format number")
    if number > newest:
        writer = body.get("zun_compose")
        needed = f"zun-compose {writer} or newer" if isinstance(writer, str) else "a newer zun-compose"
        raise StateError(
            f'state file "{path}" has format {number}, this is zun-compose {__version__} which reads up to '
            f"{newest}: {needed} is needed; nothing was changed",
            code="state.newer",
        )
    return body


def encode(body: Mapping[str, Any], number: int) -> bytes:
    """Return the text of a state file of format `number`."""
    return (json.dumps({"format": number, "zun_compose": __version__, **body}, indent=1) + "\n").encode()


def write(path: Path, body: Mapping[str, Any], number: int) -> None:
    """Replace the state file at `path` so that a crash leaves the old or the new one, never a part."""
    parent = folder(path.parent)
    # tempfile would cost its import at every start; a name of this process and thread is unique enough.
    temporary = parent / f".{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(encode(body, number))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise unusable(path, error) from error


def delete(path: Path) -> None:
    """Remove a state file; one that is gone is success. Raises StateError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: OSError) -> StateError:
    """Return the error for a file or folder that the system does not let us use."""
    reason = os.strerror(error.errno).lower() if error.errno else "input or output failed"
    return StateError(
        f'cannot use state file or folder "{path}": {reason}; make it yours and writable, '
        "or set XDG_STATE_HOME to a folder that is",
        code="state.unusable",
    )


def broken(path: Path, why: str) -> StateError:
    """Return the error for a file that does not hold what it should."""
    return StateError(
        f'state file "{path}" is broken: {why}; nothing was changed: remove it and try again '
        "(only what zun-compose remembered about this stack is lost, never a container)",
        code="state.broken",
    )


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
