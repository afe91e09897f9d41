"""The command `memonotify`. Each command stands in a module of its own and is imported only when it runs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click

from memonotify import __version__
from memonotify.cli.ending import status_of
from memonotify.cli.group import CommandGroup

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "serve": ("serve:serve", "Run the daemon in the foreground."),
    "init": ("init:init", "Write a first configuration with rules, tests and a template."),
    "check": ("check:check", "Validate configuration, rules and templates."),
    "test": ("test:test", "Run the tests of the rule files."),
    "try": ("try_:try_", "Show what an event would send, and why."),
    "report": ("report:report", "Show what a report would say now."),
    "why": ("why:why", "Tell why an event did or did not lead to messages."),
    "backtest": ("backtest:backtest", "Show what rules would have sent for the events of the past."),
    "events": ("lists:events", "List events, newest first."),
    "deliveries": ("lists:deliveries", "List deliveries, newest first."),
    "retry": ("changes:retry", "Send dead letters again."),
    "discard": ("changes:discard", "Give dead letters up."),
    "release": ("changes:release", "Send what waits now, past the policies ahead."),
    "replay": ("replay:replay", "Evaluate stored events again, and send what was not sent."),
    "silence": ("silence:silence", "Hold back what matches for a while."),
    "channel": ("channel:channel", "List the channels, or send a test message."),
    "status": ("status:status", "Show on one screen whether all is well."),
    "coverage": ("coverage:coverage", "Show what no rule handles, and what never spoke."),
    "doctor": ("doctor:doctor", "Look at everything memonotify depends on, and say what to do."),
    "reload": ("reload:reload", "Have the running daemon load its rules again."),
    "nodes": ("nodes:nodes", "List the nodes on a store that several share."),
    "migrate-store": ("migrate_store:migrate_store", "Move everything to another store, as to PostgreSQL."),
    "schema": ("schema:schema", "Print the JSON Schema of the configuration or the rules."),
    "bank": ("bank:bank", "Run a local stand-in for Memo Bank."),
    "trigger": ("bank:trigger", "Make the stand-in raise an event."),
    "demo": ("demo:demo", "Run bank, mailbox and daemon together, with events flowing."),
    "completion": ("completion:completion", "Print the completion script of a shell."),
}


class _LazyGroup(CommandGroup):
    """Imports a command when it is asked for, and lists all of them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(f"memonotify.cli.{module}"), attribute)
        if not isinstance(command, click.Command):  # pragma: no cover - a slip of ours
            raise TypeError(f"{cmd_name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Exit status: 0 done, 1 failed, 2 the configuration or the rules are wrong.",
)
@click.version_option(__version__, prog_name="memonotify")
def root() -> None:
    """Tell people and systems what happens at Memo Bank: events in, matched by YAML rules, out as mail, Slack
    messages and HTTP notifications.

    Begin with `memonotify demo`, or with `memonotify init DIR`.
    """


def main() -> None:
    """Run the command of this process and exit with its status."""
    sys.exit(status_of(lambda: root.main(prog_name="memonotify", standalone_mode=False)))
