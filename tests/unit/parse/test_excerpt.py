"""The line that a fault points at: whole, in the columns of a terminal, and without what may be secret."""

from __future__ import annotations

import textwrap

import pytest

from tests.unit.parse.reading import Files, read
from zun_compose.errors import Fault, Mark, SpecError
from zun_compose.parse.excerpt import QUOTED, WIDTH, Page, Pages
from zun_compose.parse.text import quoted

SECRET = "hunter2"


def caught(text: str | bytes, **wanted) -> tuple[Fault, ...]:
    with pytest.raises(SpecError) as error:
        read(text, **wanted)
    return error.value.faults


def excerpts(text: str, **wanted) -> list[str]:
    """Return what is shown of each fault; no fault may show the secret anywhere."""
    found = caught(textwrap.dedent(text), **wanted)
    assert SECRET not in "".join(f"{fault}{fault.excerpt}" for fault in found)
    return [fault.excerpt or "" for fault in found]


def drawn(line: str, column: int) -> tuple[str, str]:
    """Return what is shown of a line, and what stands above the caret and behind it."""
    text = Page(line.encode()).quote(Mark("f", 1, column), veiled=False)
    shown, caret = (part.partition(" | ")[2] for part in text.split("\n"))
    assert caret.strip() == "^"
    return shown, caret


def test_the_caret_stands_under_the_column():
    assert excerpts("services:\n  web: {image: x, tty: []}\n") == [
        "2 |   web: {image: x, tty: []}\n  |                        ^"
    ]


def test_the_number_of_the_line_pushes_the_caret_along():
    text = "services:\n" + "  # more\n" * 9 + "  web: 3\n"
    assert excerpts(text) == ["11 |   web: …\n   |        ^"]


@pytest.mark.parametrize(
    ("line", "column", "shown", "caret"),
    [
        ("a:\tb", 4, "a:  b", "    ^"),
        ("\t\tb", 3, "        b", "        ^"),
        ("日本: x", 5, "日本: x", "      ^"),
        ("e\u0301: x", 5, "e\u0301: x", "   ^"),
        ("a: \x1b[31m\u202ex", 10, "a: ·[31m·x", "         ^"),
        ("a: b", 5, "a: b", "    ^"),
    ],
)
def test_columns_are_those_of_a_terminal(line, column, shown, caret):
    assert drawn(line, column) == (shown, caret)


@pytest.mark.parametrize("column", [1, 40, 90, 500, 1999, 2000, 2001])
def test_a_long_line_is_cut_around_the_caret(column):
    line = "".join(chr(0x4E00 + index) if index % 3 else "a" for index in range(2000))
    shown, caret = drawn(line, column)
    assert len(shown) <= WIDTH + 2
    cells = "".join(char if ord(char) < 0x2100 else char * 2 for char in shown)
    at = len(caret) - 1
    if column <= len(line):
        assert cells[at] == line[column - 1]
    else:
        assert at == len(cells)
    assert shown.startswith("…") == (column > 40)
    assert shown.endswith("…") == (column < 1950)


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {image: x, environment: {P: hunter2}, tty: []}}",
        "services: {a: {image: x, environment: [P=hunter2, P=hunter2, []]}}",
        "services:\n  a:\n    tty: []\n    environment: &e\n      P: hunter2\n      P: hunter2\n",
        "services:\n  a:\n    environment:\n      P: |\n        hunter2\n        more: hunter2\n      P: 1\n",
        "services:\n  a:\n    environment:\n      - P=hunter2\n      - [hunter2]\n",
        'services:\n  a:\n    environment:\n      "P": [hunter2]\n',
        "services: {a: {image: x, command: [hunter2, []]}}",
        "services: {a: {build: {args: {P: hunter2, P: hunter2}}}}",
        "services: {a: {image: x}}\nconfigs: {c: {content: hunter2, contents: hunter2, content: hunter2}}",
        "x-a: {P: hunter2, P: hunter2}\nservices: {}",
        "volumes: {v: {driver_opts: &x {o: [hunter2]}}}\nservices: {a: {image: x, environment: *x}}",
        "volumes: {v: {name: &x [hunter2]}}\nservices: {a: {image: x, environment: {P: *x}}}",
        # What slipped out of environment, and what the file's faults make unclear.
        "services:\n  a:\n    image: x\n    P: hunter2\n",
        "services:\n  a: {image: x, environment: }\n  P: hunter2\n",
        "services: {}\nenvironment: [A=hunter2]\n---\nenvironment: {A: hunter2}\n",
        "services: {a: {envir: [A=hunter2]}}\n---\nservices: {a: {envir: {A: hunter2}}}\n",
        "services:\n  a:\n    image: x\n  - P=hunter2\n",
        "services:\n  a:\n      environment:\n        A: b\n       P: hunter2\n",
        "services:\n  a:\n    environment:\n\tP: hunter2\n",
        "services:\n  a:\n    environment:\n      P: 'hunter2\n",
        "services: {a: {environment: {P: hunter2, 'Q",
        '{"services": {"a": {"environment": {"P": "hunter2",\n"Q": hunter2", [}',
        "services: {a: {image: 'https://me:hunter2@example.org', tty: []}}",
        "services: {a: {image: x, tty: '${P:-hunter2}', scale: '${P-hunter2}', init: '${Q:-${P:-hunter2}}'}}",
    ],
)
def test_no_excerpt_shows_what_may_be_secret(text):
    assert any(excerpts(text))


def test_what_is_not_secret_is_shown():
    [shown] = excerpts("services: {test: {image: x, environment: {P: hunter2}, tty: []}}")
    assert shown.splitlines()[0] == "1 | services: {test: {image: x, environment: …, tty: []}}"


def test_no_fault_quotes_what_came_of_a_variable():
    text = "services: {a: {image: x, pull_policy: '$P', ports: ['$P'], volumes: ['::$P'], networks: ['$P']}}"
    found = "\n".join(str(fault) for fault in caught(text, environment={"P": SECRET}))
    assert SECRET not in found
    assert 'pull_policy cannot be "$P"' in found


@pytest.mark.parametrize(
    "body",
    [
        "volumes: ['${P}:/x:what']",
        "volumes: ['x${P}:x']",
        "network_mode: 'service:${P}'",
        "env_file: './${P}'",
        "env_file: '${P}/more'",
        "ports: ['${P}:80']",
        "ports: ['${Q:-hunter2}:80']",
        "ports: ['${Q:-${P}}:80']",
        "depends_on: ['${P}']",
        "pull_policy: '$P" + "x" * 1001 + "'",
    ],
)
def test_no_fault_quotes_a_part_that_a_variable_brought(body):
    for value in (SECRET, f"./{SECRET}", f"a:{SECRET}"):
        # What else is wrong is said too, so that there is a fault whatever the value makes of the body.
        text = f"services: {{a: {{image: x, {body}, scale: 1.5.5}}}}"
        for fault in caught(text, environment={"P": value}):
            assert SECRET not in f"{fault} {fault.excerpt}"


def test_urls_show_neither_logins_nor_queries():
    text = "services: {{a: {{image: x, build: '{0}', extends: {{service: b, file: '{0}'}}, tty: []}}}}"
    for url in ("https://hunter2@example.org/x", "https://me:hunter2@example.org", "http://a/x?key=hunter2"):
        for fault in caught(text.format(url)):
            assert SECRET not in f"{fault} {fault.excerpt}"


def test_env_files_show_names_only():
    files = {"e.env": f"A='{SECRET}'\nB=\"{SECRET}\n"}
    assert excerpts("services: {a: {image: x, env_file: e.env}}", files=files) == ["2 | B=…\n  |   ^"]
    files = {"e.env": f"{SECRET} {SECRET}\n"}
    assert excerpts("services: {a: {image: x, env_file: e.env}}", files=files) == [""]


def test_an_env_file_that_is_read_as_a_stack_file_too_stays_one():
    pages = Pages()
    pages.add("f", Page(b"A: hunter2\n", assignments=True))
    pages.add("f", Page(b"A: hunter2\n"))
    [fault] = pages.quoted([Fault("spec.value", "wrong", Mark("f", 1, 4))])
    assert fault.excerpt == "1 | A: …\n  |    ^"


def test_only_the_first_faults_are_quoted():
    shown = excerpts("services:\n" + "".join(f"  s{number}: 3\n" for number in range(2 * QUOTED)))
    assert [bool(one) for one in shown] == [True] * QUOTED + [False] * QUOTED


def test_what_is_written_in_a_key_cannot_reach_the_terminal():
    [fault] = caught('services: {a: {image: x, "\\e[31m\\nzun-compose: error: none": 1}}')
    assert str(fault).isprintable()
    assert "\\x1b[31m\\n" in fault.what


def test_faults_that_were_found_later_are_quoted_from_the_file():
    source = Files({"compose.yaml": "services:\n  a: {image: x, depends_on: [a]}\n"})
    found = [
        Fault("spec.cycle", "a -> a", Mark("/stack/compose.yaml", 2, 30)),
        Fault("spec.cycle", "from stdin", Mark("-", 1, 1)),
        Fault("spec.cycle", "gone", Mark("/stack/gone.yaml", 1, 1)),
        Fault("spec.cycle", "nowhere"),
        Fault("spec.env_file", "shown before", Mark("/stack/compose.yaml", 1, 1), excerpt=""),
    ]
    shown = [fault.excerpt for fault in quoted(found, source)]
    assert shown == [
        "2 |   a: {image: x, depends_on: [a]}\n  |                              ^",
        "",
        "",
        "",
        "",
    ]


def test_of_faults_at_one_place_the_most_specific_comes_first():
    found = caught("services:\n  a:\n    healthcheck: {interval: 5y}\n")
    assert [fault.code for fault in found] == ["spec.missing", "spec.value"]
    found = caught("services:\n  a: !!nothing x\n")
    assert [fault.code for fault in found] == ["spec.tag", "spec.type"]
