"""One call of the program: loads the stack file, the engine and our state when its command asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from zun_compose.cli.errors import PROGRAM
from zun_compose.cli.settings import ProgressMode, Settings
from zun_compose.errors import SpecError, UsageError

if TYPE_CHECKING:
    from zun_compose.cli.logged import Warnings
    from zun_compose.cli.progress import Tracking
    from zun_compose.engine import Engine
    from zun_compose.model import Condition, Stack
    from zun_compose.parse import Loaded
    from zun_compose.selection import Choice
    from zun_compose.state import StateStore


class Invocation:
    """What a command works with. Close it when the command ends."""

    def __init__(self, settings: Settings, command: str) -> None:
        self.settings = settings
        self.command = command
        self._choice: Choice | None = None
        self._engine: Engine | None = None
        self._progress: Tracking | None = None
        self._warnings: Warnings | None = None

    def close(self) -> None:
        """Let go of the engine."""
        if self._choice is not None:
            self._choice.driver.close()
            self._choice = None
        if self._warnings is not None:
            self._warnings.close()
            self._warnings = None

    # What the file declares

    def load(
        self,
        services: Sequence[str] = (),
        *,
        gate: Condition | None = None,
        quiet: bool = False,
        **flags: Any,
    ) -> Loaded:
        """Read the stack file; its warnings go to stderr once. Raises SpecError, UsageError.

        `services` are those named on the command line: naming one switches its profile on.
        """
        from zun_compose.cli.loading import load

        loaded = load(self.settings, services, gate=gate, **flags)
        if not quiet:
            for warning in loaded.stack.warnings:
                self.say(f"warning: {warning}")
        return loaded

    def stack(self, services: Sequence[str] = (), *, gate: Condition | None = None) -> Stack:
        """Return the declared stack, with the named services checked."""
        stack = self.load(services, gate=gate).stack
        check_services(stack, services)
        return stack

    def target(self, services: Sequence[str] = ()) -> Stack | str:
        """Return the declared stack, or only its name where no file is to be had or the file is not its own.

        With a name on the command line and no file, the file found here counts only if the stack's
        containers came from its folder: `-n other stop` must not take this folder's file for the other's.
        """
        by_name = self._name_alone()
        try:
            stack = self.load(services).stack
        except (SpecError, UsageError) as error:
            # A stack that is named needs no file, and a broken one that lies about is no obstacle.
            if by_name is None:
                raise
            if isinstance(error, SpecError):
                self.say("warning: the stack file here is wrong and is not used")
            return by_name
        if self.settings.name and by_name is not None and self._from_elsewhere(stack):
            return by_name
        check_services(stack, services)
        return stack

    def _name_alone(self) -> str | None:
        """Return the name to go by where no file says more; raises UsageError for one that is none."""
        from zun_compose.parse.discovery import valid

        name = self.settings.name or self.settings.environment.get("COMPOSE_PROJECT_NAME")
        if not name or self.settings.files or self.settings.environment.get("COMPOSE_FILE"):
            return None
        if not valid(name):
            raise UsageError(
                f'"{name}" is no stack name: lower-case letters, digits, - and _, a letter or digit first'
            )
        return name

    def own_stack(self, services: Sequence[str] = ()) -> Stack:
        """Return the declared stack for a command that cannot go by labels alone; raises UsageError."""
        target = self.target(services)
        if isinstance(target, str):
            raise UsageError(
                f'{self.command} needs the stack file of "{target}": who waits for whom is only there'
            )
        return target

    def _from_elsewhere(self, stack: Stack) -> bool:
        from zun_compose.labels import WORKING_DIR

        folders = {
            container.labels.get(WORKING_DIR) for container in self.engine(stack.name).containers(stack.name)
        }
        return bool(folders) and stack.working_dir not in folders

    # Where it runs

    def choice(self, stack: str | None, *, announce: bool = False) -> Choice:
        """Choose and reach the engine once; `announce` says on stderr how it was chosen."""
        if self._choice is None:
            from zun_compose.cli.logged import Warnings
            from zun_compose.selection import choose

            if self._warnings is None:
                self._warnings = Warnings(self.warn)
            self._choice = choose(
                self.settings.driver,
                self.settings.host,
                stack=stack,
                state=self._store(),
                environment=self.settings.environment,
                isolation=self.settings.isolation,
            )
            if self._choice.said and (announce or self._choice.surprising):
                self.say(self._choice.said)
        return self._choice

    def engine(self, stack: Stack | str, *, announce: bool = False) -> Engine:
        """Return the engine that this stack is worked on."""
        if self._engine is None:
            from zun_compose.engine import Engine

            choice = self.choice(stack if isinstance(stack, str) else stack.name, announce=announce)
            state = self._store(choice.address) if choice.lasting else None
            self._engine = Engine(choice.driver, state=state, parallel=self.settings.parallel)
        return self._engine

    def any_engine(self) -> Engine:
        """Return the engine for what concerns no stack of this folder: the one that a new stack would get."""
        from zun_compose.engine import Engine

        return Engine(self.choice(None).driver, parallel=self.settings.parallel)

    def _store(self, address: str | None = None) -> StateStore:
        from zun_compose.state import StateStore

        return StateStore(command=f"{PROGRAM} {self.command}".strip(), address=address)

    # What the user sees

    def progress(self, *, live: bool = True) -> Tracking:
        """Return the renderer of progress that the user chose; use it in a with block.

        `live` False leaves the terminal to others: lines instead of a live region.
        """
        from zun_compose.cli.progress import renderer

        mode = self.settings.progress
        if not live and mode in (ProgressMode.AUTO, ProgressMode.TTY):
            mode = ProgressMode.PLAIN
        self._progress = renderer(mode, color=self.settings.color)
        return self._progress

    def warn(self, text: str) -> None:
        """Warn on stderr, in the form of the progress that is shown."""
        if self._progress is None or not self._progress.warn(text):
            self.say(f"warning: {text}")

    def say(self, text: str) -> None:
        """Say something on stderr that is neither result nor error."""
        if self.settings.progress is ProgressMode.QUIET and not text.startswith("warning"):
            return
        line = f"{PROGRAM}: {text}"
        if self.settings.progress is ProgressMode.JSON:
            from zun_compose.cli.progress.lines import said

            line = said(line)
        with suppress(OSError):
            click.echo(line, err=True)

    def colored(self) -> bool:
        """Whether stdout takes colours."""
        import sys

        return sys.stdout.isatty() if self.settings.color is None else self.settings.color


def check_services(stack: Stack, names: Iterable[str]) -> None:
    """Raise UsageError for names that the stack does not declare, with a near match."""
    declared = (*stack.services, *stack.inactive)
    for name in names:
        if name in stack.services:
            continue
        if name in stack.inactive:
            profiles = ", ".join(f'"{profile}"' for profile in stack.inactive[name])
            raise UsageError(f'service "{name}" is not active: it needs one of the profiles {profiles}')
        from difflib import get_close_matches

        near = get_close_matches(name, declared, n=1)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        raise UsageError(f'no such service: "{name}"{hint}')
