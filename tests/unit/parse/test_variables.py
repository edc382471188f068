"""Which variables the files of a stack use: every form, every file, whether or not they have values."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from zun_compose.errors import SpecError, UsageError
from zun_compose.parse import Request, Variable, used_variables
from zun_compose.parse.disk import Disk
from zun_compose.parse.variables import Survey, uses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", []),
        ("$$A $1", []),
        ("$A${B}", [Variable(name="A"), Variable(name="B")]),
        ("${A-x}", [Variable(name="A", default="x")]),
        ("${A:-x y}", [Variable(name="A", default="x y")]),
        ("${A+x}", [Variable(name="A", alternate="x")]),
        ("${A:+x}", [Variable(name="A", alternate="x")]),
        ("${A?}", [Variable(name="A", required=True)]),
        ("${A:?ask $B}", [Variable(name="A", required=True)]),
        ("${A:-${B:-$C}}", [Variable(name="A", default="${B:-$C}"), Variable(name="B", default="$C"), "C"]),
        ("${A:-$$B}", [Variable(name="A", default="$$B")]),
        ("$A ${broken", ["A"]),
        ("${1}$A", []),
    ],
)
def test_the_variables_of_one_string(text: str, found: list[Variable | str]) -> None:
    expected = [Variable(name=one) if isinstance(one, str) else one for one in found]
    assert list(uses(text)) == expected


def test_a_bomb_of_nested_defaults_ends() -> None:
    assert len(list(uses("${A:-" * 500 + "}" * 500))) <= 51


def test_uses_of_one_variable_become_one() -> None:
    survey = Survey()
    survey.add({"a": ["$A", {"b": "${A:-first} ${A:-second}"}], "c": "${A:+x}${A?}", "$KEY": 1})
    assert survey.variables() == (Variable(name="A", required=True, default="first", alternate="x"),)


def listed(folder: Path, *files: str) -> dict[str, Variable]:
    found = used_variables(Request(files=files, environment={"HOME": "/", "SET": "s"}), Disk(str(folder)))
    assert [one.name for one in found] == sorted(one.name for one in found)
    return {one.name: one for one in found}


def test_all_files_count(tmp_path: Path) -> None:
    for name, text in {
        "compose.yaml": """
            include: ["${DIR:-parts}/part.yaml"]
            services:
              web: {image: "${IMAGE:?}", ports: ["${PORT}:80"], extends: {file: base.yaml, service: base}}
            x-more: {deep: ["$X"]}
            """,
        "compose.override.yaml": 'services: {web: {image: "other", scale: "${SCALE}"}}',
        "base.yaml": 'services: {base: {labels: {a: "$BASE"}}, unused: {image: "$UNUSED"}}',
        "parts/part.yaml": 'services: {part: {image: "${PART:-busybox}", environment: {SET: "${SET}"}}}',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text))
    found = listed(tmp_path)
    assert set(found) == {
        "BASE",
        "DIR",
        "IMAGE",
        "PART",
        "PORT",
        "SCALE",
        "SET",
        "UNUSED",
        "X",
    }
    assert found["IMAGE"].required, "a later file takes its place, but it must have a value all the same"
    assert found["DIR"].default == "parts"
    assert set(listed(tmp_path, "base.yaml")) == {"BASE", "UNUSED"}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no stack file"):
        listed(tmp_path)
    for text, words in (
        ("services: [", "not YAML"),
        ('services: {a: {image: "${a b}"}}', "may not follow a variable name"),
        ("include: [none.yaml]\nservices: {a: {image: a}}", "there is no such file"),
    ):
        (tmp_path / "compose.yaml").write_text(text)
        with pytest.raises(SpecError, match=words):
            listed(tmp_path)
