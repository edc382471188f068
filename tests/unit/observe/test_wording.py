"""Words that go to a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zun_compose.observe.wording import last_line, shown


@given(st.text(), st.integers(4, 600))
def test_what_is_shown_is_one_short_printable_line(text: str, limit: int) -> None:
    found = shown(text, limit)
    assert len(found) <= limit
    assert found.isprintable()


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert shown("a\x1b[31mred\x07\r\nb\u202ec") == "a [31mred b c"
    assert shown("x" * 600).endswith("...")


def test_the_last_line_is_the_last_with_words() -> None:
    assert last_line("one\ntwo\n\n  \n") == "two"
    assert last_line("\n") == ""
