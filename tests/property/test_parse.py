"""The language over made-up stacks and hostile text.

What is printed reads back the same, and nothing ever crashes.
"""

from __future__ import annotations

import json
import string
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tests.unit.parse.reading import Files
from zun_compose.errors import SpecError, ZunComposeError
from zun_compose.parse import Loaded, Request, dotenv, dump, load
from zun_compose.parse.attributes import attributes
from zun_compose.parse.interpolate import Invalid, Missing, expand
from zun_compose.parse.reference.schema import schema
from zun_compose.parse.text import read as read_text
from zun_compose.parse.tree import Faults

SCHEMA = Draft7Validator(schema())
WORDS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6)
LINES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20)
NAMES = st.sampled_from(["a", "b", "c", "d"])
KEYS = sorted(
    {part for path in attributes() for part in path.replace("[]", "").split(".") if part not in ("*", "**")}
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 70000), st.floats(), LINES, WORDS)
JUNK = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*KEYS, "x-zun", "x-readiness", "a", ""]), inner, max_size=5)
    ),
    max_leaves=25,
)


def pairs(values: st.SearchStrategy[Any] = LINES) -> st.SearchStrategy[Any]:
    return st.dictionaries(WORDS, values, max_size=3)


def durations() -> st.SearchStrategy[str]:
    return st.builds("{}{}".format, st.integers(0, 5000), st.sampled_from(["ms", "s", "m", "h"]))


SERVICES = st.fixed_dictionaries(
    {"image": WORDS},
    optional={
        "command": st.one_of(st.lists(LINES, max_size=3), WORDS),
        "entrypoint": st.lists(LINES, max_size=3),
        "environment": pairs(st.one_of(LINES, st.none(), st.integers(), st.booleans(), st.floats(-1e9, 1e9))),
        "labels": pairs(),
        "ports": st.lists(
            st.builds("{}:{}".format, st.integers(1, 65535), st.integers(1, 65535)), max_size=3
        ),
        "expose": st.lists(st.integers(1, 65535), max_size=3),
        "volumes": st.lists(
            st.builds(
                "{}:/{}{}".format,
                st.sampled_from(["./a", "/b", "data", "~/c"]),
                WORDS,
                st.sampled_from(["", ":ro", ":z"]),
            ),
            max_size=3,
        ),
        "depends_on": st.lists(NAMES, unique=True, max_size=3),
        "healthcheck": st.fixed_dictionaries(
            {"test": LINES}, optional={"interval": durations(), "retries": st.integers(0, 9)}
        ),
        "restart": st.sampled_from(["no", "always", "unless-stopped", "on-failure:3"]),
        "stop_grace_period": durations(),
        "mem_limit": st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["b", "k", "m", "g"])),
        "tty": st.booleans(),
        "profiles": st.lists(st.sampled_from(["p", "q"]), unique=True, max_size=2),
        "x-readiness": st.sampled_from(["listening", {"tcp": 80}, [{"log": "up"}, {"http": ":80/x"}]]),
        "tmpfs": WORDS.map("/{}".format),
        "dns": st.lists(st.sampled_from(["1.1.1.1", "2.2.2.2"]), max_size=2),
        "ulimits": st.dictionaries(st.sampled_from(["nofile", "nproc"]), st.integers(1, 99), max_size=2),
        "deploy": st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 5), "labels": pairs()}),
    },
)
STACKS = st.fixed_dictionaries(
    {"services": st.dictionaries(NAMES, SERVICES, min_size=1, max_size=4), "volumes": st.just({"data": None})}
)


def read(text: str | bytes, name: str | None = None, **more: str) -> Loaded:
    request = Request(environment={"HOME": "/home/me", "A": "alpha"}, profiles=("p",), name=name)
    return load(request, Files({"compose.yaml": text, **more}))


def accepted(text: str) -> Loaded | None:
    try:
        return read(text)
    except ZunComposeError:
        return None


def explained(error: ZunComposeError) -> None:
    assert str(error)
    if isinstance(error, SpecError):
        assert all(fault.code.startswith("spec.") and fault.what for fault in error.faults)


def escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


class Quoting(yaml.SafeDumper):
    """Quotes each string: plain 0E0 and 08 are strings to YAML 1.1 and numbers to the rules of Compose."""


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def quoted(stack: Any, **options: Any) -> str:
    return yaml.dump(escaped(stack), Dumper=Quoting, **options)


@given(STACKS)
def test_what_is_printed_reads_back_the_same(stack):
    loaded = accepted(quoted(stack))
    if loaded is None:
        return  # Such as an edge to a service that was not made.
    for form in ("yaml", "json"):
        again = read(dump(loaded.extended, form))
        assert again.extended == loaded.extended
        assert {
            name: (s.ports, s.mounts, dict(s.environment)) for name, s in again.stack.services.items()
        } == {name: (s.ports, s.mounts, dict(s.environment)) for name, s in loaded.stack.services.items()}


@given(STACKS)
def test_what_is_accepted_is_valid_by_the_schema(stack):
    text = quoted(stack)
    if accepted(text) is not None:
        [document] = read_text(text.encode(), "compose.yaml", Faults())
        assert list(SCHEMA.iter_errors(document)) == []


@given(STACKS)
def test_json_and_yaml_say_the_same(stack):
    texts = [
        json.dumps(escaped(stack), ensure_ascii=False),
        quoted(stack, default_flow_style=True),
    ]
    one, two = (accepted(text) for text in texts)
    assert (one is None) == (two is None)
    if one and two:
        assert one.canonical == two.canonical


@given(STACKS)
def test_a_stack_laid_over_itself_is_itself(stack):
    text = quoted(stack)
    loaded = accepted(text)
    if loaded is None:
        return
    twice = read(text, **{"compose.override.yaml": text})
    assert twice.canonical == loaded.canonical


@given(JUNK)
def test_junk_in_every_attribute_is_refused_or_read_but_never_crashes(junk):
    for text in (
        {"services": {"a": junk}},
        {"services": {"a": {"image": "x", **junk} if isinstance(junk, dict) else junk}},
        junk,
    ):
        written = yaml.safe_dump(text)
        try:
            loaded = read(written)
        except ZunComposeError as error:
            explained(error)
        else:
            assert dump(loaded.canonical, "json")
            assert dump(loaded.extended, "yaml")


@given(st.sampled_from([path for path in sorted(attributes()) if path.startswith("services.*.")]), JUNK)
def test_junk_at_one_attribute_never_crashes(path, junk):
    value: Any = junk
    for part in reversed(path.replace("[]", ".[]").split(".")[2:]):
        if part not in ("", "**"):
            value = [value] if part == "[]" else {"any" if part == "*" else part: value}
    if isinstance(value, dict):
        accepted(yaml.safe_dump({"services": {"a": {"image": "x", **value}, "b": {"image": "x"}}}))


@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
    )
)
@example(b"a: *b\n")
@example(b"? [a]\n: b\n")
@example(b"<<: &a {<<: *a}\n")
@example(b"--- !!omap\n")
@example(b"%YAML 9.9\n---\na: 1\n")
@example(b"\xef\xbb\xbfservices: {}\n")
def test_any_bytes_are_read_or_refused(content):
    found = Faults()
    read_text(content, "f.yaml", found)
    try:
        read(content)
    except ZunComposeError as error:
        explained(error)


@given(st.text(string.printable))
def test_a_doubled_dollar_is_a_dollar(text):
    assert expand(text.replace("$", "$$"), {}, lambda _: None) == text


@given(st.text("${}:-+?AB_ \n", max_size=30))
def test_any_template_is_expanded_or_refused(text):
    try:
        result = expand(text, {"A": "alpha"}, lambda _: None)
    except (Invalid, Missing):
        assert "$" in text
    else:
        assert "${" not in result or "$$" in text


@given(st.dictionaries(WORDS, LINES, max_size=4))
def test_quoted_env_files_read_back(values):
    def quote(value: str) -> str:
        inner = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        return f'"{inner}"'

    found = Faults()
    text = "".join(f"{name}={quote(value)}\n" for name, value in values.items())
    assert dotenv.read(text.encode(), "e.env", {}, found) == values
    assert not found.found
