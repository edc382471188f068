"""The text of .env files, and how they reach a service."""

from __future__ import annotations

import pytest

from tests.unit.parse.reading import faults, read
from zun_compose.parse import dotenv
from zun_compose.parse.tree import Faults


def values(text, outer=None, kind=dotenv.read):
    found = Faults()
    result = kind(text.encode(), "e.env", outer or {}, found)
    found.check()
    return result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("A=1\nB = 2 \n", {"A": "1", "B": "2"}),
        ("export A=1", {"A": "1"}),
        ("# c\n\n  A=1 # c\nB=x#y", {"A": "1", "B": "x#y"}),
        ("A=", {"A": ""}),
        ("A: yaml", {"A": "yaml"}),
        ("A='$X \\n # q'", {"A": "$X \\n # q"}),
        ('A="a\\nb \\"q\\" $X" # c', {"A": 'a\nb "q" x'}),
        ('A="two\nlines"\nB=1', {"A": "two\nlines", "B": "1"}),
        ('A="\\\\"\nB="c\\\\\\"d"', {"A": "\\", "B": 'c\\"d'}),
        ("A=$X-${NONE:-d}\nB=${A}", {"A": "x-d", "B": "x-d"}),
        ("A=1\nX=2\nB=$X", {"A": "1", "X": "2", "B": "x"}),
        ("X", {"X": "x"}),
        ("NONE", {}),
        ("A=a=b", {"A": "a=b"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A.b-c=1", {"A.b-c": "1"}),
    ],
)
def test_lines(text, result):
    assert values(text, {"X": "x"}) == result


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A=1\nB C=2", "e.env:2:1"),
        ("=x", "e.env:1:1"),
        ("A='x", "e.env:1:3"),
        ("A=${", "e.env:1:3"),
        ("A=${X:y}", "e.env:1:3"),
    ],
)
def test_what_is_no_line(text, place):
    found = Faults()
    dotenv.read(text.encode(), "e.env", {"X": "x"}, found)
    assert [str(fault.mark) for fault in found.found] == [place]


def test_raw_files_are_taken_as_they_stand():
    assert values("# c\nA='$X' # q\nX\nNONE\n", {"X": "x"}, dotenv.raw) == {"A": "'$X' # q", "X": "x"}


def test_the_order_of_who_wins():
    loaded = read(
        """
        services:
          a:
            image: x
            environment: {OWN: own, BARE: , GIVEN: , UNSET: }
            env_file: [one.env, {path: two.env, required: false}, {path: gone.env, required: false}]
        """,
        files={
            "one.env": "OWN=file\nBARE=file\nONE=1\nBOTH=1\nREF=$OWN-$GIVEN-$DOT\n",
            "two.env": "BOTH=2\n",
            ".env": "DOT=dot\nGIVEN=dot\n",
        },
        environment={"GIVEN": "given"},
    )
    assert dict(loaded.stack.services["a"].environment) == {
        "ONE": "1",
        "BOTH": "2",
        "REF": "own-given-dot",
        "OWN": "own",
        "BARE": None,
        "GIVEN": "given",
        "UNSET": None,
    }
    assert loaded.stack.environment_files == ("/stack/.env",)


def test_formats_and_label_files():
    loaded = read(
        """
        services:
          a: {image: x, env_file: [{path: r.env, format: raw}], label_file: l.env, labels: {a: own}}
        """,
        files={"r.env": "A='$B'\n", "l.env": "a=file\nb=file\n"},
    )
    web = loaded.stack.services["a"]
    assert (dict(web.environment), dict(web.labels)) == ({"A": "'$B'"}, {"a": "own", "b": "file"})
    [fault] = faults("services: {a: {image: x, env_file: [{path: e, format: json}]}}", files={"e": ""})
    assert 'unknown env_file format "json"' in fault


def test_a_broken_env_file_is_named_with_its_own_place():
    [fault] = faults("services: {a: {image: x}}", files={".env": "A=1\nB=${A:secret}\n"})
    assert fault.startswith("spec.env_file /stack/.env:2:3:")
    assert "secret" not in fault


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("A= # all of it", {"A": "# all of it"}),
        ("A=x\t# blank only", {"A": "x\t# blank only"}),
        ("A='x' X", {"A": "x", "X": "x"}),
        ('A="\\0101\\08 \\$X"', {"A": "A\\8 $X"}),
        ('A="one\r\ntwo"\r\n', {"A": "one\r\ntwo"}),
        ("naïve=1", {"naïve": "1"}),
        ("export\tA=1\nexporter=2", {"A": "1", "exporter": "2"}),
        ("A=it's\nB=a'b'c", {"A": "it's", "B": "a'b'c"}),
        ("A='\\d \\\\ it\\'s'", {"A": "\\d \\\\ it's"}),
    ],
)
def test_lines_as_docker_compose_reads_them(text, result):
    assert values(text, {"X": "x"}) == result


def test_a_comment_in_another_encoding_is_no_fault():
    found = Faults()
    assert dotenv.read(b"# caf\xe9\nA=1", "e.env", {}, found) == {"A": "1"}
    assert not found.found
    assert found.warnings == ("e.env is not UTF-8, what cannot be read of it is replaced",)


@pytest.mark.parametrize("text", ["A # no value\n", "A B=1\n"])
def test_a_name_ends_at_its_sign(text):
    found = Faults()
    assert not dotenv.read(text.encode(), "e.env", {"A": "1"}, found)
    assert [str(fault.mark) for fault in found.found] == ["e.env:1:1"]


def test_a_file_may_refer_to_the_files_before_it():
    loaded = read(
        "services: {a: {image: x, env_file: [one.env, two.env], label_file: [l.env, m.env]}}",
        files={
            "one.env": "ONE=1\n",
            "two.env": "TWO=$ONE-2\n",
            "l.env": "a=1\n",
            "m.env": "b=${a}-${HOME}\n",
        },
    )
    web = loaded.stack.services["a"]
    assert dict(web.environment) == {"ONE": "1", "TWO": "1-2"}
    assert dict(web.labels) == {"a": "1", "b": "1-"}


def test_a_later_file_refers_to_its_own_lines_before_those_of_earlier_files():
    loaded = read(
        "services: {a: {image: 'x:$C'}}",
        files={"1.env": "A=1\nB=1\n", "2.env": "B=2\nC=$A$B\n"},
        env_files=("1.env", "2.env"),
    )
    assert loaded.stack.services["a"].image == "x:12"
