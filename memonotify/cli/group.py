"""A group of commands that takes a command's options before its name as well as after it.

Called by click for `memonotify` and for `memonotify channel`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

import click

VALUED: Final = frozenset(
    {
        "--at", "--author", "--bank", "--channel", "--config", "--coverage-min", "--credentials", "--dir", "--event",
        "--event-type", "--examples", "--field", "--filter", "--for", "--format", "--html", "--id", "--junit",
        "--label", "--language", "--limit", "--log-format", "--log-level", "--lookup", "--node", "--port", "--quota",
        "--reason", "--repeat", "--resource", "--role", "--rule", "--seed", "--set", "--silence", "--since", "--speed",
        "--state", "--then", "--to", "--token", "--until", "--webhook", "--workspace", "-c",
    }
)  # fmt: skip
"""The options of all commands that take a value: the word behind one is no command, even if it is called like one.

A list, because asking the commands would import them all; a test compares it with them.
"""

EVERYWHERE: Final = frozenset({"-c", "--config", "--json"})
"""The options that may stand before every command, so that an alias can hold them; a command that has no use for one
passes it over. Behind such a command's name they are refused: who writes one there expects it to do something."""

_OF_THE_GROUP: Final = frozenset({"--help", "-h", "--version"})


class CommandGroup(click.Group):
    """A group that hands the options before a command's name to the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before = _options(args)
        rest = args[len(before) :]
        if _OF_THE_GROUP & set(before):
            args = [*_useful(before, set()), *rest]
        elif before:
            if not rest and not ctx.resilient_parsing:
                ctx.fail(f"There is no command behind {' '.join(before)}. {ctx.command_path} --help lists them.")
            args = [*rest[:1], *self._for_command(ctx, rest[0], before), *rest[1:]] if rest else []
        return super().parse_args(ctx, args)

    def _for_command(self, ctx: click.Context, name: str, options: list[str]) -> list[str]:
        command = self.get_command(ctx, name) if name in self.list_commands(ctx) else None
        if command is None or isinstance(command, click.Group):
            return options
        return _useful(options, {option for parameter in command.params for option in parameter.opts})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args[0] not in names:
            close = get_close_matches(args[0], names, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"{ctx.command_path} --help lists them."
            ctx.fail(f"There is no command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)


def _options(args: list[str]) -> list[str]:
    """Return the options that stand before the first word that is none, with their values."""
    end = 0
    while end < len(args) and args[end].startswith("-") and args[end] != "--":
        end += 2 if args[end] in VALUED else 1
    return args[:end]


def _useful(options: list[str], own: set[str]) -> list[str]:
    """Return the options with their values, less those of EVERYWHERE that are none of a command's `own`."""
    kept: list[str] = []
    left = options
    while left:
        width = 2 if left[0] in VALUED else 1
        name = left[0].partition("=")[0] if left[0].startswith("--") else left[0][:2]
        if name in own or name not in EVERYWHERE:
            kept += left[:width]
        left = left[width:]
    return kept


def options_with_values(command: click.Command) -> set[str]:
    """Return the options of a command and of all below it that take a value."""
    found: set[str] = set()
    parameters: list[Any] = list(command.params)
    for parameter in parameters:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            found.update(parameter.opts)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                found |= options_with_values(inner)
    return found
