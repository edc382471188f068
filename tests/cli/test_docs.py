"""docs/commands.md and the program agree: no command and no option is missing there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from zun_compose.cli import main

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()


def section(command: str) -> str:
    found = re.search(rf"^### {command}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, command
    return found[1]


@pytest.mark.parametrize("name", [name for name in main.COMMANDS if name != "convert"])
def test_every_option_is_told(name: str) -> None:
    command = main.cli.get_command(click.Context(main.cli), name)
    assert command is not None
    text = section(name)
    if name == "plan":
        text += section("up")
    for option in command.params:
        if not isinstance(option, click.Option) or option.hidden:
            continue
        names = [*option.opts, *option.secondary_opts]
        assert any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in names), names


def test_global_options_are_told() -> None:
    for option in main.cli.params:
        if "--version" not in option.opts:
            assert any(f"`{word}" in TEXT for word in option.opts), option.opts


def test_commands_are_the_same_as_documented() -> None:
    assert re.findall(r"^### (\w+)$", TEXT, re.MULTILINE) == list(main.COMMANDS)
