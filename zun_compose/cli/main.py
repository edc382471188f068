"""The program's entry: global options, the table of commands, and the exit code.

Loads nothing but click: a command's module is imported when that command runs.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click

from zun_compose import __version__
from zun_compose.cli.errors import FAILED, INTERRUPTED, PROGRAM, explained, report, silence
from zun_compose.cli.lazy import Entry, LazyGroup
from zun_compose.cli.settings import settings
from zun_compose.errors import ZunComposeError

_IN = "zun_compose.cli.commands"

COMMANDS = {
    "up": Entry(f"{_IN}.up", "up", "Create and start services, each once what it depends on is ready"),
    "create": Entry(f"{_IN}.up", "create", "Create containers, networks and volumes, and start nothing"),
    "scale": Entry(f"{_IN}.up", "scale", "Bring services to these numbers of containers"),
    "down": Entry(f"{_IN}.down", "down", "Stop and remove containers and networks"),
    "ps": Entry(f"{_IN}.show", "ps", "List containers, and how far each one is"),
    "ls": Entry(f"{_IN}.lists", "ls", "List the stacks on the engine"),
    "images": Entry(f"{_IN}.lists", "images", "List the images that containers were made from"),
    "volumes": Entry(f"{_IN}.lists", "volumes", "List the stack's volumes"),
    "port": Entry(f"{_IN}.lists", "port", "Print where a port of a container is published"),
    "top": Entry(f"{_IN}.lists", "top", "List the processes that run in containers"),
    "status": Entry(f"{_IN}.show", "status", "Tell whether all services are ready (then exit 0)"),
    "explain": Entry(f"{_IN}.show", "explain", "Tell what each service waits for, and who was asked"),
    "plan": Entry(f"{_IN}.plan", "plan", "Print what up would do, and why"),
    "graph": Entry(f"{_IN}.plan", "graph", "Print who waits for whom, and for what"),
    "config": Entry(f"{_IN}.config", "config", "Check the stack file and print its canonical form"),
    "convert": Entry(f"{_IN}.config", "config", "The same as config"),
    "logs": Entry(f"{_IN}.logs", "logs", "Print what containers wrote"),
    "events": Entry(f"{_IN}.events", "events", "Print what happens to containers, as it happens"),
    "wait": Entry(f"{_IN}.wait", "wait", "Wait until services stop, or until they are ready"),
    "start": Entry(f"{_IN}.lifecycle", "start", "Start stopped services, in readiness order"),
    "stop": Entry(f"{_IN}.lifecycle", "stop", "Stop services, dependents first"),
    "restart": Entry(f"{_IN}.lifecycle", "restart", "Restart services"),
    "kill": Entry(f"{_IN}.lifecycle", "kill", "Send a signal to services"),
    "pause": Entry(f"{_IN}.lifecycle", "pause", "Freeze containers that run"),
    "unpause": Entry(f"{_IN}.lifecycle", "unpause", "Let paused containers go on"),
    "rm": Entry(f"{_IN}.lifecycle", "rm", "Remove stopped containers of services"),
    "exec": Entry(f"{_IN}.execute", "execute", "Run a command in a running container"),
    "run": Entry(f"{_IN}.execute", "run", "Run a command in a new container of a service"),
    "cp": Entry(f"{_IN}.copy", "cp", "Copy files between containers and this machine"),
    "image": Entry(f"{_IN}.image", "image", "Bring in, list and remove images of the local driver"),
    "schema": Entry(f"{_IN}.schema", "schema", "Print the JSON Schema of stack files, for editors"),
    "version": Entry(f"{_IN}.version", "version", "Print the version"),
    "completion": Entry(f"{_IN}.version", "completion", "Print the script for shell completion"),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    epilog="Exit codes: 0 done, 1 failed, 2 bad usage or bad file, 130 interrupted. "
    "run, exec and wait give the container's own.",
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(),
    help="Stack file, - for stdin; several are merged in order [default: COMPOSE_FILE, else compose.yaml "
    "here or in a folder above]",
)
@click.option(
    "-n",
    "--name",
    "-p",
    "--project-name",
    "name",
    metavar="NAME",
    help="Name of the stack [default: COMPOSE_PROJECT_NAME, else as the file says, else its folder's name]",
)
@click.option(
    "--driver",
    metavar="NAME",
    default="auto",
    help="Which engine: auto, docker, local (no engine at all) or memory (a simulation); auto is where the "
    "stack runs already, else Docker, else Podman, else local",
)
@click.option(
    "--host",
    metavar="URL",
    help="The engine's address, such as unix:///run/docker.sock or ssh://user@box [default: DOCKER_HOST, "
    "else Docker's current context]",
)
@click.option(
    "--no-isolation",
    is_flag=True,
    help="Run local services as plain processes, where the kernel allows no user namespaces "
    "[default: ZUN_COMPOSE_NO_ISOLATION]",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help="Switch a profile on; may be repeated [default: COMPOSE_PROFILES]",
)
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    metavar="FILE",
    type=click.Path(),
    help="File of variables for the stack file [default: COMPOSE_ENV_FILES, else .env beside the stack file]",
)
@click.option(
    "--project-directory",
    metavar="FOLDER",
    type=click.Path(),
    help="Folder that relative paths start from [default: that of the first stack file]",
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "tty", "plain", "json", "quiet"]),
    default=None,
    help="How progress is shown on stderr; auto is tty in a terminal, else plain "
    "[default: COMPOSE_PROGRESS, else auto]",
)
@click.option(
    "--parallel",
    type=int,
    default=None,
    metavar="N",
    help="Engine calls at once, -1 for as many as make sense [default: COMPOSE_PARALLEL_LIMIT, else 8]",
)
@click.option("--no-color", is_flag=True, help="No colours [default: colours in a terminal, unless NO_COLOR]")
@click.version_option(
    __version__, "-v", "--version", prog_name=PROGRAM, message="%(prog)s version %(version)s"
)
@click.pass_context
def cli(ctx: click.Context, /, **params: Any) -> None:
    """Bring stacks of containers up in readiness order, from ordinary compose files."""
    from zun_compose.cli.invocation import Invocation

    invocation = Invocation(settings(params, os.environ), ctx.invoked_subcommand or "")
    ctx.obj = invocation
    ctx.call_on_close(invocation.close)


def run(arguments: Sequence[str]) -> int:
    """Run the program once and return its exit code; never raises what is a person's to read."""
    try:
        result = cli.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except (ZunComposeError, click.ClickException, click.Abort, KeyboardInterrupt) as error:
        return _failed(error, arguments)
    except OSError as error:
        return _failed(explained(error), arguments)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        return _failed(error, arguments)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Be the `zun-compose` program."""
    signal.signal(signal.SIGTERM, _terminated)
    _open_streams()
    # Starting is mostly imports, whose many lasting objects the collector would go through again and again.
    gc.set_threshold(100_000, 20, 50)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A container may write what this terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        # The second one, while we were telling of the first.
        code = INTERRUPTED
    _drop_unheard()
    # sys.exit would wait for threads that sit in engine calls, and take a tenth of a second to tidy
    # memory that goes away with the process. All that must be closed is closed, all output is out.
    os._exit(code)


def _open_streams() -> None:
    """Put nothingness in the place of standard streams that we were started without.

    Otherwise the first file or connection that is opened would be taken for one of them.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _drop_unheard() -> None:
    """Give up what a standard stream does not take, which the interpreter would try once more at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            silence(stream)


def _failed(error: BaseException, arguments: Sequence[str]) -> int:
    code = report(error, as_json=_wants_json(arguments))
    # With --detailed-exitcode 2 says "there are changes", so an error of any kind must be 1.
    detailed = "--detailed-exitcode" in arguments
    return FAILED if detailed and code not in (0, INTERRUPTED) else code


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether --progress json was asked for; known even where the arguments cannot be parsed."""
    given = [
        word.removeprefix("--progress=") if word.startswith("--progress=") else after
        for word, after in zip(arguments, [*arguments[1:], ""], strict=True)
        if word == "--progress" or word.startswith("--progress=")
    ]
    return (given[-1] if given else os.environ.get("COMPOSE_PROGRESS")) == "json"


def _terminated(number: int, frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C; commands that end in steps of their own put their handler in its place."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
