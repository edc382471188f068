"""The one mapper from errors to exit codes and a message on stderr."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO

import click

from zun_compose.errors import Fault, SpecError, UsageError, ZunComposeError

PROGRAM = "zun-compose"
FAILED = 1
MISUSED = 2
INTERRUPTED = 130
TRACEBACK = "ZUN_COMPOSE_TRACEBACK"
# How a write to what is open already fails; what we open ourselves is named in its error.
_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error: 1 failed, 2 bad usage or bad file, 130 interrupted."""
    if isinstance(error, ZunComposeError):
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return MISUSED if isinstance(error, click.UsageError) else FAILED
    return FAILED


def explained(error: OSError) -> BaseException:
    """Return what a user can do something about in place of an error of the system, if it is known."""
    if isinstance(error, BrokenPipeError):
        return error
    try:
        os.getcwd()
    except OSError:
        return UsageError("the current folder does not exist any more")
    if error.filename is None and error.errno in _WRITING:
        silence(sys.stdout)
        return ZunComposeError(f"the output cannot be written: {error.strerror}")
    return error


def report(error: BaseException, *, as_json: bool = False) -> int:
    """Say on stderr what went wrong, for people or as one JSON object, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        # Whoever read us has gone: there is nobody to tell, and the interpreter must not try again at exit.
        silence(sys.stdout)
        return FAILED
    error = _quoted(error)
    for line in [_object(error)] if as_json else _lines(error):
        try:
            click.echo(line, err=True)
        except OSError:
            silence(sys.stderr)
            break
    if not isinstance(error, ZunComposeError | click.ClickException | click.Abort | KeyboardInterrupt):
        _traceback(error)
    return exit_code(error)


def _lines(error: BaseException) -> list[str]:
    prefix = f"{PROGRAM}: error: "
    if isinstance(error, SpecError) and error.faults:
        return [f"{prefix}{fault}{_below(fault)}" for fault in error.faults]
    if isinstance(error, ZunComposeError):
        first, *rest = str(error).splitlines() or [error.code]
        return [f"{prefix}{first}", *(f"  {line}" for line in rest)]
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx is not None else PROGRAM
        return [f"{prefix}{_lower(error.format_message())}", f'see "{where} --help"']
    if isinstance(error, click.ClickException):
        return [f"{prefix}{_lower(error.format_message())}"]
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return [f"{PROGRAM}: interrupted"]
    # The text of an unexpected error may hold anything, environment values included: its type must do.
    return [
        f"{PROGRAM}: internal error: {type(error).__name__}; this is a fault of zun-compose, "
        f"set {TRACEBACK}=1 to see where"
    ]


def _below(fault: Fault) -> str:
    return "".join(f"\n  {line}" for line in (fault.excerpt or "").splitlines())


def _quoted(error: BaseException) -> BaseException:
    """Return an error with the excerpts of faults that were found after their file was read."""
    if not isinstance(error, SpecError) or all(
        fault.mark is None or fault.excerpt is not None for fault in error.faults
    ):
        return error
    from zun_compose.parse.disk import Disk
    from zun_compose.parse.text import quoted

    return SpecError(quoted(error.faults, Disk()))


def _fields(fault: Fault) -> dict[str, object]:
    place = fault.mark._asdict() if fault.mark is not None else {}
    said = {"code": fault.code, **place, "what": fault.what, "hint": fault.hint, "excerpt": fault.excerpt}
    return {name: value for name, value in said.items() if value}


def _object(error: BaseException) -> str:
    import json

    if isinstance(error, ZunComposeError):
        code = error.code
    elif exit_code(error) == INTERRUPTED:
        code = "interrupted"
    else:
        code = "usage" if isinstance(error, click.ClickException) else "internal"
    if isinstance(error, SpecError):
        message = [str(fault) for fault in error.faults]
    else:
        message = [
            line.removeprefix(f"{PROGRAM}: ").removeprefix("error: ").strip() for line in _lines(error)
        ]
    body: dict[str, object] = {
        "event": "error",
        "code": code,
        "exit_code": exit_code(error),
        "message": "\n".join(message),
    }
    if isinstance(error, SpecError):
        body["faults"] = [_fields(fault) for fault in error.faults]
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _traceback(error: BaseException) -> None:
    if os.environ.get(TRACEBACK) == "1":
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _lower(text: str) -> str:
    """Turn click's sentence into our style: lower case, no full stop."""
    text = text.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def silence(stream: TextIO) -> None:
    """Lead a stream that cannot be written to nowhere, with all that it still holds back."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
