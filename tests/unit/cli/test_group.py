"""Options before a command's name."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from memonotify.cli import root
from memonotify.cli.group import EVERYWHERE, VALUED, options_with_values


def _leaves(group: click.Group = root) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = _leaves(command) if isinstance(command, click.Group) else [()]
        found += [(name, *rest) for rest in inner]
    return found


@pytest.mark.parametrize("command", _leaves(), ids=" ".join)
@pytest.mark.parametrize("given", [("-c", "x.yaml"), ("-cx.yaml",), ("--config=x.yaml",), ("--json",)], ids=" ".join)
def test_every_command_takes_the_options_that_may_stand_before_all(run, given, command):
    ended = run(*given, *command, "--help")
    assert ended.status == 0, ended.err
    assert ended.out.startswith(f"Usage: memonotify {' '.join(command)}")


def test_a_command_without_use_for_an_option_before_it_does_what_it_does_without(run):
    assert run("-c", "x.yaml", "--json", "schema", "rules") == run("schema", "rules")


def test_a_command_that_has_the_option_obeys_it(run, tmp_path: Path):
    ended = run("-c", tmp_path / "nowhere.yaml", "check")
    assert ended.status == 2
    assert "nowhere.yaml" in ended.err


def test_the_list_of_commands_is_shown_behind_such_an_option(run):
    assert run("-c", "x.yaml", "--help").out == run("--help").out


@pytest.mark.parametrize("words", [("schema", "rules", "-c", "x"), ("--limit", "3", "schema", "rules")])
def test_an_option_that_a_command_does_not_know_is_refused(run, words):
    ended = run(*words)
    assert ended.status == 1
    assert "No such option" in ended.err


def test_the_options_with_a_value_are_those_of_all_commands():
    assert options_with_values(root) == VALUED
    assert {option for option in EVERYWHERE if option != "--json"} <= VALUED
