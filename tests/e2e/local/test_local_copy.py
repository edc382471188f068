"""`cp` as a user types it, on the local driver; where things land is in tests/contract/test_copies.py."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

from tests.e2e.local.place import Place


def test_files_go_into_every_container_and_come_out_of_one(place: Place) -> None:
    place.put("file", "text")
    place.stack({"app": {"scale": 2}, "done": {"command": ["true"]}})
    place.run("up", "-d")
    said = place.run("cp", "file", "app:/tmp/").err
    assert [line.split()[-1] for line in said.splitlines()] == [
        f"{place.name}-app-1:/tmp/",
        f"{place.name}-app-2:/tmp/",
    ]
    for number in ("1", "2"):
        assert place.run("exec", "-T", "--index", number, "app", "cat", "/tmp/file").out == "text"
    place.put("file", "second")
    place.run("cp", "--index", "2", "file", "app:/tmp/file")
    place.run("cp", "app:/tmp/file", "one")
    place.run("cp", "--index", "2", "app:/tmp/file", "two")
    assert [(place.folder / name).read_text() for name in ("one", "two")] == ["text", "second"]
    assert "container 3" in place.run("cp", "--index", "3", "file", "app:/tmp/", expect=1).err
    place.down()


def test_tars_go_through_the_streams(place: Place) -> None:
    place.stack({"app": {}})
    place.run("up", "-d")
    place.inside("app", "sh", "-c", "mkdir /tmp/tree && echo leaf > /tmp/tree/leaf")
    command = [*place.program, *place.options]
    environment = {**os.environ, "XDG_STATE_HOME": str(place.state)}

    def cp(*words: str, stdin: bytes = b"") -> bytes:
        done = subprocess.run(
            [*command, "cp", *words],
            input=stdin,
            capture_output=True,
            cwd=place.folder,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = cp("app:/tmp/tree", "-")
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert tar.getnames() == ["tree", "tree/leaf"]
    place.inside("app", "mkdir", "/tmp/other")
    cp("-", "app:/tmp/other", stdin=made)
    assert place.inside("app", "cat", "/tmp/other/tree/leaf") == "leaf\n"


def test_what_a_stopped_service_left_can_be_fetched_and_leaves_nothing_behind(place: Place) -> None:
    place.put("asked", "42")
    place.stack(
        {"app": {"command": ["sh", "-c", "cat /data/asked > /data/answer"], "volumes": ["data:/data"]}},
        volumes={"data": {}},
    )
    place.run("up", "--no-start")
    place.run("cp", "asked", "app:/data/")
    place.run("start")
    place.run("wait", "app")
    place.run("cp", "app:/data/answer", ".")
    assert (place.folder / "answer").read_text() == "42"
    place.down()


def test_what_cannot_be_copied_is_named(place: Place) -> None:
    place.put("file", "text")
    place.stack({"app": {}, "closed": {"read_only": True}})
    place.run("up", "-d")
    for words, said in (
        (("app:/no/such", "."), 'there is no "/no/such"'),
        (("file", "closed:/made"), "read-only file system"),
        (("file", "app:/usr/made"), "read-only file system"),
        (("none", "app:/tmp"), '"none"'),
    ):
        message = place.run("cp", *words, expect=1).err
        assert said in message
        assert len(message.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="other users need root, or a range that not everybody has")
def test_a_secret_is_only_copied_by_who_may(place: Place) -> None:
    """The copy on this machine is no more open than it was inside."""
    place.put("password", "hidden")
    place.stack({"app": {"secrets": ["password"]}}, secrets={"password": {"file": "./password"}})
    place.run("up", "-d")
    place.run("cp", "app:/run/secrets/password", "out")
    assert (place.folder / "out").stat().st_mode & 0o777 == 0o400
    said = place.run("cp", "password", "app:/run/secrets/", expect=1).said
    assert "hidden" not in said
