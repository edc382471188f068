"""Which files make a stack, and the disk as a source."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import threading

import pytest

from tests.unit.parse.reading import Files
from zun_compose.errors import SpecError, UsageError
from zun_compose.parse import Request, load
from zun_compose.parse.disk import LIMIT, Disk

ONE = "services: {a: {image: one}}"
TWO = "services: {b: {image: two}}"


def stack(there, cwd="/stack", **wanted):
    wanted.setdefault("environment", {})
    return load(Request(**wanted), Files(there, cwd)).stack


def test_the_first_usual_name_wins_and_brings_its_override():
    found = stack({"docker-compose.yml": TWO, "compose.yaml": ONE, "compose.override.yml": TWO})
    assert found.files == ("/stack/compose.yaml", "/stack/compose.override.yml")
    assert list(found.services) == ["a", "b"]


def test_folders_above_are_searched():
    found = stack({"/top/compose.yaml": ONE, "/top/.env": "A=1\n"}, cwd="/top/sub/deep")
    assert (found.files, found.working_dir, found.name) == (("/top/compose.yaml",), "/top", "top")
    assert found.environment_files == ("/top/.env",)


def test_nothing_to_read_is_misuse():
    with pytest.raises(UsageError, match="no stack file"):
        stack({"other.yaml": ONE})


def test_given_files_win_over_the_environment_and_both_over_the_search():
    files = {"compose.yaml": ONE, "sub/x.yaml": TWO, "y.yaml": "services: {c: {image: x}}"}
    assert list(stack(files, files=("sub/x.yaml",)).services) == ["b"]
    assert stack(files, files=("sub/x.yaml", "y.yaml")).working_dir == "/stack/sub"
    assert list(stack(files, environment={"COMPOSE_FILE": "y.yaml:sub/x.yaml"}).services) == ["c", "b"]
    both = {"COMPOSE_FILE": "y.yaml;sub/x.yaml", "COMPOSE_PATH_SEPARATOR": ";"}
    assert list(stack(files, environment=both).services) == ["c", "b"]
    assert list(stack({**files, ".env": "COMPOSE_FILE=y.yaml\n"}).services) == ["c"]
    assert list(stack(files, files=("y.yaml",), environment=both).services) == ["c"]


def test_the_project_directory_moves_paths_and_dotenv():
    files = {
        "sub/x.yaml": "services: {a: {image: '$T', volumes: ['./v:/v']}}",
        "dir/.env": "T=dir\nCOMPOSE_PROJECT_NAME=named\n",
    }
    found = stack(files, files=("sub/x.yaml",), project_directory="dir")
    assert (found.working_dir, found.name, found.services["a"].image) == ("/stack/dir", "named", "dir")
    assert found.services["a"].mounts[0].source == "/stack/dir/v"


def test_env_files_can_be_named_and_switched_off():
    files = {
        "compose.yaml": "services: {a: {image: 'x:${A-}${B-}'}}",
        ".env": "A=1\n",
        "e.env": "B=2\n",
        "f.env": "B=3\n",
    }
    assert stack(files).services["a"].image == "x:1"
    assert stack(files, env_files=("e.env",)).services["a"].image == "x:2"
    assert stack(files, env_files=("e.env", "f.env")).services["a"].image == "x:3"
    assert stack(files, environment={"COMPOSE_ENV_FILES": "e.env,f.env"}).services["a"].image == "x:3"
    assert stack(files, environment={"COMPOSE_DISABLE_ENV_FILE": "true"}).services["a"].image == "x:"
    with pytest.raises(SpecError, match=r"gone\.env"):
        stack(files, env_files=("gone.env",))


def test_standard_input_is_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ONE.encode())))
    found = load(Request(files=("-",), environment={}, name="n"), Disk(str(tmp_path))).stack
    assert (found.files, found.working_dir, list(found.services)) == (("-",), str(tmp_path), ["a"])


def test_large_files_are_refused_unread(tmp_path):
    large = tmp_path / "compose.yaml"
    with large.open("wb") as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(OSError, match="16 MiB"):
        Disk().read(str(large))
    with pytest.raises(SpecError, match="larger than 16 MiB"):
        load(Request(environment={}), Disk(str(tmp_path)))


def test_folders_links_and_pipes(tmp_path):
    disk = Disk(str(tmp_path))
    (tmp_path / "real.yaml").write_text(ONE)
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    (tmp_path / "dangling.yaml").symlink_to("gone.yaml")
    assert disk.read(str(tmp_path / "link.yaml")) == ONE.encode()
    assert not disk.exists(str(tmp_path / "dangling.yaml"))
    with pytest.raises(IsADirectoryError):
        disk.read(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert disk.read(str(tmp_path / "pipe")) == b""
    reading, writing = os.pipe()
    os.write(writing, ONE.encode())
    os.close(writing)
    assert disk.read(f"/dev/fd/{reading}") == ONE.encode()
    os.close(reading)


def test_a_silent_pipe_is_given_up(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writing = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(TimeoutError, match="nothing came through the pipe"):
            Disk(patience=0.05).read(str(tmp_path / "pipe"))
    finally:
        os.close(writing)


def test_a_pipe_without_end_is_refused_at_the_limit():
    reading, writing = os.pipe()
    sender = threading.Thread(target=_pour, args=(writing,))
    sender.start()
    with pytest.raises(OSError, match="16 MiB"):
        Disk().read(f"/dev/fd/{reading}")
    os.close(reading)
    sender.join(10)
    assert not sender.is_alive()


def _pour(writing: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        while True:
            os.write(writing, bytes(1 << 16))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/full", "/dev/tty"])
@pytest.mark.parametrize("role", ["file", "env_file", "include", "extends"])
def test_devices_are_no_files(tmp_path, path, role):
    texts = {
        "file": ONE,
        "env_file": f"services: {{a: {{image: x, env_file: {path}}}}}",
        "include": f"include: [{path}]\nservices: {{a: {{image: x}}}}",
        "extends": f"services: {{a: {{extends: {{file: {path}, service: b}}}}}}",
    }
    (tmp_path / "compose.yaml").write_text(texts[role])
    files = (path,) if role == "file" else ()
    with pytest.raises(SpecError, match="is a device or a socket"):
        load(Request(environment={}, files=files, name="n"), Disk(str(tmp_path)))


def test_the_null_device_is_an_empty_file_and_a_socket_none(tmp_path):
    assert Disk().read("/dev/null") == b""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="is a device or a socket"):
            Disk().read(str(tmp_path / "socket"))


def test_links_that_lead_nowhere_or_to_themselves_are_named(tmp_path):
    (tmp_path / "loop.env").symlink_to("loop.env")
    (tmp_path / "gone.env").symlink_to("nowhere")
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, env_file: [loop.env, gone.env]}}")
    with pytest.raises(SpecError) as caught:
        load(Request(environment={}), Disk(str(tmp_path)))
    assert [fault.what.partition('"')[0] for fault in caught.value.faults] == ["service "] * 2
    assert all("there is no env file" in fault.what for fault in caught.value.faults)


def test_an_env_or_label_file_that_cannot_be_read_is_told_with_its_place(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "compose.yaml").write_text(
        "services:\n  a:\n    image: x\n    env_file: [folder]\n    label_file: [folder]\n"
    )
    with pytest.raises(SpecError) as caught:
        load(Request(environment={}), Disk(str(tmp_path)))
    places = [(fault.mark.line, fault.mark.column) for fault in caught.value.faults if fault.mark]
    assert places == [(4, 16), (5, 18)]
    for fault in caught.value.faults:
        assert fault.what == f'service "a": cannot read "{tmp_path}/folder": is a folder'


def test_the_working_directory_keeps_the_name_the_shell_gives_it(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "link")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert Disk().cwd() == str(tmp_path / "link")
    monkeypatch.setenv("PWD", "/")
    assert Disk().cwd() == str(tmp_path / "real")
