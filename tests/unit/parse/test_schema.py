"""The JSON Schema and docs/attributes.md: made of the table, and of one mind with the program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conftest import SOAK
from tests.golden.parse.test_golden import CASES as GOLDEN
from tests.golden.parse.test_golden import HOME
from tests.unit.parse import test_conformance as foreign
from tests.unit.parse.reading import Files, faults
from tests.unit.parse.test_language_doc import BLOCKS
from zun_compose.errors import SpecError, ZunComposeError
from zun_compose.parse import Request, load, text
from zun_compose.parse.disk import Disk
from zun_compose.parse.reference import everything, page, schema
from zun_compose.parse.reference.strings import KINDS
from zun_compose.parse.reference.wording import wording
from zun_compose.parse.reference.wording.examples import EXAMPLES
from zun_compose.parse.rules import STRING, Node, planted
from zun_compose.parse.tree import Faults

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "zun_compose" / "schemas" / "zun-compose.schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
STALE = "run `make generate`"
TREE = planted(everything())
PATHS = [path for path in everything() if not path.endswith("**")]


def test_the_files_are_what_the_table_makes_of_them():
    assert (ROOT / "zun_compose" / "schemas" / "zun-compose.schema.json").read_text() == schema.text(), STALE
    assert (ROOT / "docs" / "attributes.md").read_text() == page.text(), STALE


def test_it_is_a_schema_of_its_dialect():
    assert SCHEMA["$schema"] == jsonschema.Draft7Validator.META_SCHEMA["$id"]
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_every_attribute_is_described_and_nothing_else_is():
    named = {path for path in everything() if not path.endswith(("*", "[]"))}
    assert named - wording().keys() == set()
    assert wording().keys() - everything().keys() == {""}
    assert EXAMPLES.keys() <= everything().keys()
    assert all(about[0] != " " and about.rstrip(")`").endswith(".") for about in wording().values())


def test_every_rule_of_a_kind_has_its_form():
    kinds = {rule.kind for rule in everything().values() if rule.kind and STRING in rule.types}
    assert kinds - KINDS.keys() == {"condition"}
    assert KINDS.keys() <= kinds


def test_an_editor_can_say_in_words_what_a_pattern_wants():
    def walk(part: Any) -> Iterator[Any]:
        yield part
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from walk(inner)

    forms = [part for part in walk(SCHEMA) if isinstance(part, dict) and "pattern" in part and "type" in part]
    silent = [part for part in forms if "patternErrorMessage" not in part and part["pattern"] != r"\$"]
    assert len(forms) > 100
    assert silent == []


def test_no_command_that_reads_a_stack_loads_the_descriptions():
    program = (
        "import sys, zun_compose.engine, zun_compose.parse; from zun_compose.parse.rules import language;"
        "language(); print([name for name in sys.modules if name.startswith('zun_compose.parse.reference')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "[]\n"


def complaints(document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


class Recording(Disk):
    """The disk, and what was read of it."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.seen: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        self.seen[path] = super().read(path)
        return self.seen[path]

    def documents(self) -> Iterator[Any]:
        for path, content in self.seen.items():
            if path.endswith((".yaml", ".yml")):
                yield from text.read(content, path, Faults())


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.name)
def test_what_is_read_of_the_golden_stacks_is_valid(case: Path):
    disk = Recording(str(case))
    try:
        load(Request(environment={"HOME": HOME}), disk)
    except ZunComposeError:
        pytest.skip("a case of faults")
    documents = list(disk.documents())
    assert documents
    assert [complaints(document) for document in documents] == [[]] * len(documents)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_examples_of_the_documentation_are_valid(block: str):
    assert complaints(text.read(block.encode(), "block", Faults())[0]) == []


@pytest.mark.parametrize("path", [*ROOT.glob("templates/**/*.yaml")], ids=lambda path: path.parent.name)
def test_the_templates_are_valid(path: Path):
    assert complaints(text.read(path.read_bytes(), path.name, Faults())[0]) == []


@pytest.mark.skipif(
    not foreign.CASES.is_dir(), reason="the foreign compose files are not beside the repository"
)
def test_the_foreign_files_that_are_accepted_are_valid(monkeypatch: pytest.MonkeyPatch):
    wrong, valid = {}, 0
    for case in sorted(path.parent for path in foreign.CASES.glob("*/case.json")):
        disk = Recording("/")

        def on(folder: str, disk: Recording = disk) -> Recording:
            Disk.__init__(disk, folder)
            return disk

        monkeypatch.setattr(foreign, "Disk", on)
        try:
            foreign.canonical(case, json.loads((case / "case.json").read_text()))
        except ZunComposeError:
            continue
        for document in disk.documents():
            # An empty service says nothing to the one that extends it, and is wrong everywhere else.
            services = {
                key: entry for key, entry in (document.get("services") or {}).items() if entry is not None
            }
            found = complaints({**document, "services": services} if services else document)
            valid += not found
            if found:
                wrong[case.name] = found
    assert wrong == {}
    # A document at least of each case that is right.
    assert valid >= 873


FILLING: dict[str, Any] = {
    "action": "rebuild",
    "capabilities": ["gpu"],
    "command": ["x"],
    "condition": "service_started",
    "hard": 1,
    "host": "h",
    "listening": True,
    "model": "m",
    "path": "x",
    "port": 80,
    "service": "x",
    "soft": 1,
    "source": "x",
    "target": "80",
    "tcp": "h:80",
    "type": "bind",
}
"""What an attribute holds that must be there beside the one that is looked at."""

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 80, 1.5, 2000000),
    *("", "word", "80", "0", "-1", "1.5", "1.0", "true", "No", "1m30s", "64m", "0440", "all", "any"),
    *("8080-8090", "on-failure", "a=b", "service_ready"),
    *([], ["word"], ["word", "word"], [1], [1, 1], [None], [{}], [[]]),
    *({}, {"zzz": 1}, {"x-zzz": 1}, {"a": "b"}, {"a": None}, {"a": {}}, {"a": []}, {"a b": "c"}, {"": "b"}),
]

ORIGINS = ("does not say where its content is", "needs a file or an environment variable")
SHAPE = {"type", "value", "unknown_key", "missing", "name", "duplicate"}

BEYOND: dict[str, list[Any]] = {
    "services.*.cpu_percent": ["0440"],
    "services.*.expose[]": [-1, 1.5],
    "services.*.ports[]": ["0"],
    "services.*.ports[].host_ip": [value for value in VALUES if isinstance(value, str) and value],
    "services.*.ports[].target": ["0"],
}
"""What only the program refuses: addresses, and what is out of the bounds of a number."""


EXTERNALS = {name: {"tcp": "h:80"} for name in ("", "a", "a b", "n", "zzz", "x-zzz")}


def holding(path: str, value: Any) -> Any:
    """Return the smallest stack that has a value at a path."""
    stack = built(TREE, path.replace("[]", ".[]").split("."), deepcopy(value))
    service = stack["services"].get("n") if isinstance(stack.get("services"), dict) else None
    if isinstance(service, dict):
        service.setdefault("image", "x")
        if "x-depends-on" in service:
            stack["x-zun"] = {"externals": EXTERNALS}
    return stack


def built(node: Node, parts: list[str], value: Any) -> Any:
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if first == "[]":
        assert node.item is not None
        return [built(node.item, rest, value)]
    key, below = ("n", node.other) if first == "*" else (first, node.keys[first])
    assert below is not None
    assert node.rule is not None
    needed = list(node.rule.required)
    if node.rule.one_of and key not in node.rule.one_of:
        needed.append("listening" if "listening" in node.rule.one_of else "tcp")
    return {**{name: FILLING[name] for name in needed if name != key}, key: built(below, rest, value)}


def misshapen(stack: Any) -> list[str]:
    """Return what the program finds wrong with a stack's shape, not with what attributes mean together."""
    files = Files({"compose.yaml": json.dumps(stack)})
    try:
        load(Request(environment={"HOME": HOME}, consistency=False), files)
    except SpecError as error:
        return [
            str(fault)
            for fault in error.faults
            if fault.code.removeprefix("spec.") in SHAPE and not fault.what.endswith(ORIGINS)
        ]
    return []


def samples() -> Iterator[tuple[str, Any]]:
    """Give every rule with every value; where a rule stands a second time, one of them."""
    seen = set()
    for number, path in enumerate(PATHS):
        rule = everything()[path]
        below = {name[len(path) :].lstrip(".").partition(".")[0] for name in PATHS if name.startswith(path)}
        like = repr((rule, sorted(below)))
        step = 1 if SOAK or like not in seen else len(VALUES)
        seen.add(like)
        for value in (*VALUES[number % step :: step], *rule.words):
            yield path, value


@pytest.mark.soak
def test_schema_and_program_refuse_the_same():
    differ = []
    for path, value in samples():
        stack = holding(path, value)
        wrong, invalid = misshapen(stack), complaints(stack)
        if bool(wrong) != bool(invalid) and repr(value) not in map(repr, BEYOND.get(path, ())):
            differ.append((path, value, wrong, invalid))
    assert differ == []


@pytest.mark.parametrize("path", sorted(BEYOND))
def test_what_only_the_program_refuses_is_refused_by_it(path: str):
    for value in BEYOND[path]:
        stack = holding(path, value)
        assert (misshapen(stack) != [], complaints(stack)) == (True, []), value


def test_a_variable_may_stand_for_any_string():
    for path in PATHS:
        rule = everything()[path]
        if STRING in rule.types:
            assert complaints(holding(path, "${SOMETHING:-1}")) == [], path
        else:
            assert complaints(holding(path, "${SOMETHING:-1}")) != [], path


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"imge": "x"}, "'imge' does not match any"),
        ({"tty": "maybe"}, "'maybe' does not match"),
        ({"stop_grace_period": "5x"}, "'5x' does not match"),
        ({"depends_on": {"b": {"condition": "service_redy"}}}, "'service_redy' is not valid"),
        ({"x-readiness": {"tcp": 1, "http": 2}}, "is not valid under any of the given schemas"),
        ({"x-readiness": {"tcp": 1, "x-mine": 2}}, "is not valid under any of the given schemas"),
        ({"x-zun": {"jbo": True}}, "'jbo' was unexpected"),
    ],
)
def test_what_an_editor_marks(change: dict[str, Any], what: str):
    stack = {"services": {"a": {"image": "x", **change}, "b": {"image": "x"}}}
    assert any(what in complaint for complaint in complaints(stack)), complaints(stack)
    assert faults(json.dumps(stack))
