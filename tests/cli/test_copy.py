"""The arguments of cp."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Program
from zun_compose.cli.commands.copy import split
from zun_compose.copying import absolute


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("web:/etc/hosts", ("web", "/etc/hosts")),
        ("web:relative:odd", ("web", "relative:odd")),
        ("./web:/etc", (None, "./web:/etc")),
        ("/a:b", (None, "/a:b")),
        ("plain", (None, "plain")),
        ("-", (None, "-")),
        (":/etc", (None, ":/etc")),
    ],
)
def test_what_names_a_service(word: str, read: tuple[str | None, str]) -> None:
    assert split(word) == read


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("", "/"),
        (".", "/"),
        ("etc", "/etc"),
        ("//etc", "/etc"),
        ("/etc/", "/etc/"),
        ("/etc/.", "/etc/."),
        ("../../x", "/x"),
        ("/", "/"),
        ("/.", "/."),
    ],
)
def test_paths_of_containers_begin_at_their_root(given: str, path: str) -> None:
    assert absolute(given) == path


def test_it_is_between_a_service_and_this_machine(program: Program) -> None:
    program.file("services: {web: {image: busybox}, db: {image: busybox}}")
    both = program("cp", "web:/a", "db:/b")
    neither = program("cp", "a", "b")
    assert (both.code, neither.code) == (2, 2)
    assert "not between services" in both.err
    assert "SERVICE:PATH" in neither.err
    assert program("cp", "no:/a", ".").code == 2


def test_an_engine_without_files_says_so(program: Program) -> None:
    program.file("services: {web: {image: busybox}}")
    program("up", "-d")
    assert "copies no files" in program("cp", "web:/a", ".").err
