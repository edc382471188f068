"""Commands inside running containers, run to their end by Zun."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from zun_compose.container import ExecResult
from zun_compose.driver import Session
from zun_compose.drivers.zun.cloud import Cloud, Part
from zun_compose.drivers.zun.containers import short
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.jobs import Job
from zun_compose.errors import DriverTimeout

OUTPUT = 64 * 1024


class Commands(Part):
    """ExecProbe over one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._lasting: set[tuple[str, ...]] = set()

    def execute(
        self,
        container: str,
        command: Sequence[str],
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        working_dir: str | None = None,
        privileged: bool = False,
    ) -> ExecResult:
        """Run to the end.

        Zun itself waits 5 s, if its operator did not change it. A command that took longer once, or wants
        what Zun has no word for, is run by a shell in the container, which takes three calls.
        Raises Unsupported where that cannot be.
        """
        doing = f'run a command in container "{short(container)}"'
        asked = (container, *command)
        if not (environment or user or working_dir or privileged or asked in self._lasting):
            try:
                with translated(doing):
                    done = self._cloud.zun.execute_container(container, list(command))
            except DriverTimeout:
                # it still runs there: whoever asks again gets it by the longer way
                self._lasting.add(asked)
                raise
            return ExecResult(exit_code=int(done.exit_code or 0), output=str(done.output)[:OUTPUT])
        session = Session(
            environment=environment or {}, user=user, working_dir=working_dir, privileged=privileged
        )
        return self._by_job(Job(self._cloud, container, doing), command, session, timeout, doing)

    def _by_job(
        self, job: Job, command: Sequence[str], session: Session, timeout: float, doing: str
    ) -> ExecResult:
        until = time.monotonic() + timeout
        kept = bytearray()
        try:
            job.prepare(command, session)
            seen = job.begin()
            while True:
                kept += seen.out + seen.err
                del kept[OUTPUT:]
                if seen.over:
                    return ExecResult(exit_code=seen.code or 0, output=bytes(kept).decode("utf-8", "replace"))
                if time.monotonic() >= until:
                    raise DriverTimeout(f"cannot {doing}: it did not end in time")
                seen = job.look()
        finally:
            job.end()
