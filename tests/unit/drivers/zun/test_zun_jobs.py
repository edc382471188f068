"""The scripts by which commands last in a container, run by this machine's own shells.

What Zun does is stood in for: it runs a line in the container, and unpacks a tar there.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from zun_compose.driver import Session
from zun_compose.drivers.zun.jobs import SOME, Job, NoShell, Progress
from zun_compose.errors import NotFound, Rejected, Unavailable, Unsupported

SHELLS = [name for name in ("bash", "busybox", "dash") if shutil.which(name)]


class Ran(NamedTuple):
    output: str
    exit_code: int


class Here:
    """This machine as a container: commands run in `folder` and know the programs of `path` only."""

    def __init__(self, shell: str, folder: Path, path: str) -> None:
        self.shell = shell
        self.folder = folder
        self.environment = {"PATH": path, "HOME": str(folder)}
        self.lines: list[list[str]] = []

    @property
    def zun(self) -> Here:
        return self

    def execute_container(self, container: str, line: list[str]) -> Ran:
        self.lines.append(line)
        if shutil.which(line[0], path=self.environment["PATH"]) is None:
            return Ran("executable file not found", 126)
        done = subprocess.run(
            line, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
            start_new_session=True, timeout=30,
        )  # fmt: skip
        return Ran(done.stdout + done.stderr, done.returncode)

    def put_container_archive(self, container: str, path: str, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(path, filter="tar" if os.geteuid() else "fully_trusted")

    def job(self) -> Job:
        cloud: Any = self
        return Job(cloud, "box", "run it")


@pytest.fixture(params=SHELLS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Here:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to(shutil.which(request.param) or "")
    folder = tmp_path / "folder"
    folder.mkdir()
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if os.access(parent, os.W_OK) and parent.is_relative_to("/tmp") and parent != Path("/tmp"):
            parent.chmod(0o755)
    return Here(request.param, folder, f"{programs}:{os.environ['PATH']}")


def traces() -> set[str]:
    return {path.name for path in Path("/tmp").glob(".zun-compose-*")}


def ended(job: Job, seen: Progress) -> Progress:
    """Look until it is over; return all that was told."""
    out, err = seen.out, seen.err
    while not seen.over:
        seen = job.look()
        out, err = out + seen.out, err + seen.err
    return Progress(seen.code, out, err, True)


def run(here: Here, *command: str, **asked: Any) -> Progress:
    job = here.job()
    try:
        job.prepare(command, Session(**asked))
        return ended(job, job.begin())
    finally:
        job.end()


def test_streams_are_apart_bytes_are_bytes_and_the_code_is_true(here: Here) -> None:
    before = traces()
    seen = run(here, "sh", "-c", r"printf 'a\377\000b'; echo bad >&2; exit 42")
    assert seen[:3] == (42, b"a\xff\0b", b"bad\n")
    assert run(here, "true")[:3] == (0, b"", b"")
    assert run(here, "/no/such/program").code == 127
    assert traces() <= before


def test_more_than_one_look_brings_comes_whole(here: Here) -> None:
    seen = run(here, "sh", "-c", f"head -c {SOME * 2 + 5} /dev/zero; head -c {SOME} /dev/zero >&2")
    assert (seen.code, len(seen.out), len(seen.err)) == (0, SOME * 2 + 5, SOME)


def test_output_comes_while_the_command_runs(here: Here, tmp_path: Path) -> None:
    job = here.job()
    job.prepare(
        ["sh", "-c", f"echo one; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo two"], Session()
    )
    seen = job.begin()
    while not seen.out:
        seen = job.look()
    assert (seen.code, seen.out) == (None, b"one\n")
    (tmp_path / "go").touch()
    assert ended(job, Progress(None, b"", b"", False))[:2] == (0, b"two\n")


def test_the_environment_is_the_commands_own_and_in_no_url(here: Here) -> None:
    values = {"PLAIN": 'it\'s "so"\n$HOME `id`', "odd.name-1": "se cret"}
    seen = run(here, "env", "-0", environment=values, working_dir="/")
    told = dict(pair.split("=", 1) for pair in seen.out.decode().split("\0") if pair)
    assert {name: told[name] for name in values} == values
    assert told["PWD"] == "/"
    assert "se cret" not in repr(here.lines)


def test_a_folder_that_is_not_there_is_told(here: Here) -> None:
    seen = run(here, "true", working_dir="/no/such")
    assert seen.code == 126
    assert b"/no/such" in seen.err


def test_without_a_folder_the_containers_own_counts(here: Here) -> None:
    assert run(here, "pwd").out.decode().strip() == str(here.folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize(
    ("user", "told"), [("nobody", "65534:65534"), ("7", "7:7"), ("7:8", "7:8"), ("777", "777:0")]
)
def test_a_command_is_another_users(here: Here, user: str, told: str) -> None:
    before = traces()
    command = ("sh", "-c", "echo $(id -u):$(id -g); exit 9")
    if here.shell == "busybox" and user in ("7:8", "777"):
        # its own programs come first, and become only those whom they know by name
        with pytest.raises(Unsupported, match=f'user "{user}"'):
            run(here, *command, user=user)
        return
    seen = run(here, *command, user=user, working_dir="/")
    assert seen[:2] == (9, f"{told}\n".encode())
    assert traces() <= before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_an_unknown_user_is_named_and_nothing_runs(here: Here, tmp_path: Path) -> None:
    job = here.job()
    with pytest.raises(NotFound, match='"nosuchuser"'):
        job.prepare(["touch", str(tmp_path / "ran")], Session(user="nosuchuser"))
    with pytest.raises(Unsupported):
        job.prepare(["touch", str(tmp_path / "ran")], Session(privileged=True))
    assert not (tmp_path / "ran").exists()


def test_input_comes_in_pieces_and_ends(here: Here) -> None:
    job = here.job()
    job.prepare(["sh", "-c", "cat; echo end"], Session())
    seen = job.begin(stdin=True)
    assert seen.code is None
    data = [bytes(range(256)) * 1000, b"\0", b"last"]

    def feed() -> None:
        for piece in [*data, b""]:
            job.feed(piece)

    feeder = Thread(target=feed)
    feeder.start()
    told = ended(job, seen)
    feeder.join()
    assert told[:2] == (0, b"".join(data) + b"end\n")


def test_a_command_that_wants_no_input_ends_without_it(here: Here) -> None:
    job = here.job()
    job.prepare(["echo", "bye"], Session())
    assert ended(job, job.begin(stdin=True))[:2] == (0, b"bye\n")


def test_ending_a_job_ends_all_its_processes(here: Here, tmp_path: Path) -> None:
    before = traces()
    job = here.job()
    mark = str(tmp_path / "mark")
    job.prepare(["sh", "-c", f"trap 'touch {mark}; exit 1' TERM; sleep 1000 & echo $!; wait"], Session())
    seen = job.begin()
    while not seen.out:
        seen = job.look()
    job.end()
    assert Path(mark).exists(), "it may say goodbye"
    deadline = time.monotonic() + 10
    while (
        Path(f"/proc/{int(seen.out)}/cmdline").exists()
        and Path(f"/proc/{int(seen.out)}/cmdline").read_bytes()
    ):
        assert time.monotonic() < deadline, "the command's own process runs on"
        time.sleep(0.05)
    assert traces() <= before


def test_what_was_killed_from_outside_has_ended(here: Here) -> None:
    job = here.job()
    job.prepare(["sleep", "1000"], Session())
    job.begin()
    folder = here.lines[-1][2]
    os.killpg(int(Path(folder, "pid").read_text()), 9)
    assert ended(job, Progress(None, b"", b"", False)).code == 137


def test_a_detached_command_removes_its_traces(here: Here, tmp_path: Path) -> None:
    before = traces()
    job = here.job()
    job.prepare(["sh", "-c", f"sleep 0.3; touch {tmp_path}/done"], Session())
    job.begin_detached()
    job.end()
    deadline = time.monotonic() + 20
    while not (tmp_path / "done").exists() or traces() - before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_a_shell_it_is_said(here: Here, tmp_path: Path) -> None:
    here.environment["PATH"] = str(tmp_path)
    with pytest.raises(NoShell, match='no "sh"'):
        here.job().prepare(["true"], Session())


def test_a_job_whose_folder_is_gone_is_no_success(here: Here) -> None:
    job = here.job()
    job.prepare(["sleep", "1000"], Session())
    job.begin()
    folder = Path(here.lines[-1][2])
    os.killpg(int((folder / "pid").read_text()), 9)
    shutil.rmtree(folder)
    with pytest.raises((Rejected, Unavailable)):
        job.look()
