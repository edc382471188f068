"""--format: Go templates as far as they are understood, and what is said of the rest."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Program
from zun_compose.cli.template import Row, Template, formatted
from zun_compose.errors import UsageError

HEADERS = {"Name": "NAME", "Count": "COUNT", "List": "LIST", "Nothing": "NOTHING"}
ROW = Row(
    fields={"Name": "a-b <c>", "Count": 3, "List": [{"A": 1}], "Nothing": None},
    labels={"com.x.some-label": "l"},
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{.Name}}", "a-b <c>"),
        (r"{{ .Name }}\t{{.Count}}\n", "a-b <c>\t3\n"),
        ("{{.Nothing}}|{{.List}}", '|[{"A":1}]'),
        ("{{json .Name}} {{json .List}}", '"a-b <c>" [{"A":1}]'),
        ('{{.Label "com.x.some-label"}}{{.Label "none"}}', "l"),
        ('{{upper (.Label "com.x.some-label")}}', None),
        ("{{upper .Name}}", "A-B <C>"),
        ("{{.Name | upper | lower | title}}", "A-B <C>"),
        ("{{truncate .Name 3}}", "a-b"),
        ("{{pad .Count 1 2}}|", " 3  |"),
        ('{{.Name | print}}{{println "x" }}', "a-b <c>x\n"),
        ("x  {{- .Count -}}  y {{.Count}} z", "x3y 3 z"),
        ('{{print "}}"}}', "}}"),
        ("no }} action {{.Count}}", "no }} action 3"),
    ],
)
def test_what_is_understood(text: str, filled: str | None) -> None:
    if filled is None:
        with pytest.raises(UsageError, match="is not understood"):
            Template(text, HEADERS)
    else:
        assert Template(text, HEADERS).fill(ROW) == filled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{.Nmae}}", r'".Nmae" is not understood: fields are .Name, .Count'),
        ("{{range .List}}x{{end}}", '"range" is not understood'),
        ("{{if .Name}}", '"if" is not understood'),
        ("{{$x := 1}}", r'"\$x" is not understood'),
        ("{{.Name.Deep}}", '".Name" is not understood'),
        ("{{.Label .Name}}", "a label takes the form"),
        ("{{upper}}", '"upper" takes 1 operands, not 0'),
        ("{{upper .Name .Name}}", '"upper" takes 1 operands, not 2'),
        ("{{}}", "lacks something"),
        ("{{.Name |}}", "lacks something"),
        ("{{.Name", "nothing closes"),
        ("plain", '"plain" is no format'),
        ("yaml", "it is table, json, or a template"),
    ],
)
def test_what_is_not_understood_is_named(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        formatted(text, [], HEADERS)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(UsageError, match="does not fit"):
        formatted("{{truncate .Count .Name}}", [ROW], HEADERS)


def test_a_table_of_a_template() -> None:
    assert formatted(r"table {{.Name}}\t{{upper .Name}}\t{{.Count}}", [ROW, ROW], HEADERS) == (
        "NAME      NAME      COUNT\na-b <c>   A-B <C>   3\na-b <c>   A-B <C>   3"
    )
    assert formatted('table {{.Label "com.x.some-label"}}', [], HEADERS) == "some label"
    assert formatted("table", [ROW], HEADERS) is None
    assert formatted("{{.Name}}", [], HEADERS) == ""


def test_ps(up: Program) -> None:
    assert up("ps", "--format", "{{.Name}} {{.Readiness}}").out == "shop-db-1 ready\nshop-web-1 ready\n"
    lines = up("ps", "--format", r"table {{.Service}}\t{{.State | upper}}").out.splitlines()
    assert [line.split() for line in lines] == [["SERVICE", "STATE"], ["db", "RUNNING"], ["web", "RUNNING"]]
    whole = [json.loads(line) for line in up("ps", "--format", "{{json .}}").out.splitlines()]
    assert whole == up("ps", "--format", "json").json_lines()
    assert up("ps", "--format", '{{.Label "com.docker.compose.service"}}', "web").out == "web\n"
    assert up("ps", "--format", "{{.Name}}", "--status", "paused").out == ""
    result = up("ps", "--format", "{{.Nmae}}")
    assert result.code == 2
    assert '".Nmae" is not understood' in result.err


def test_every_field_of_ps_has_a_header(up: Program) -> None:
    from zun_compose.cli.containers import HEADERS as of_ps

    assert set(up("ps", "--format", "json").json_lines()[0]) == set(of_ps)


def test_image_ls(program: Program) -> None:
    assert program("image", "ls", "--format", "{{.Reference}}").out == "host:latest\n"
    assert program("image", "ls", "--format", r"table {{.Reference}}\t{{.Host}}").out.split() == [
        "REFERENCE",
        "HOST",
        "host:latest",
        "true",
    ]
    assert program("image", "ls", "--format", "{{.Size | nothing}}").code == 2
