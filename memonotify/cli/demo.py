"""`memonotify demo`: bank, mailbox and daemon together."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memonotify.cli.options import example
from memonotify.errors import MemonotifyError

if TYPE_CHECKING:
    from memonotify.standin.mailbox import Arrival

_KINDS: Final = {"mail": ("Mail", "blue"), "slack": ("Slack", "magenta"), "http": ("HTTP", "green")}
_WIDTH: Final = 80


@click.command(epilog=example("memonotify demo", "memonotify demo --once", "memonotify demo --language fr --dir demo"))
@click.option("--once", is_flag=True, help="End after a first mail, Slack message and HTTP call have come in.")
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="Of the messages.")
@click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the demo's files here.")
@click.option("--any-port", is_flag=True, help="Listen on any free ports in place of 8080, 9280, 8025 and 7700.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="The least level of the daemon's log that is shown.",
)
def demo(once: bool, language: str, folder: Path | None, any_port: bool, log_level: str) -> None:
    """Run a stand-in of the bank, a mailbox and the daemon on the shipped rules, with events flowing.

    Everything stays on this machine. Ctrl-C ends it.
    """
    try:
        import aiosmtpd  # noqa: F401 - asked here for the sake of the sentence
    except ImportError:
        raise MemonotifyError(
            f"the demo's mailbox needs one more package: {shlex.quote(sys.executable)} -m pip install aiosmtpd"
        ) from None

    from memonotify import logs
    from memonotify.standin.demo import Demo, Ports

    logs.configure(log_level)
    # A demo that only has to end by itself must not stumble over a port somebody uses.
    ports = Ports(webhook=0, admin=0, mailbox=0, bank=0) if any_port or once else Ports()
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memonotify-demo-")))
        show = Demo(folder=place.resolve(), ports=ports, language=language, say=click.echo, on_arrival=_print)
        try:
            asyncio.run(show.run(once=once))
        except KeyboardInterrupt:
            click.echo("\nThe demo has ended.")
    if once:
        click.echo("\nMail, Slack and HTTP messages have arrived. Run it without --once to look at them.")


def _print(arrival: Arrival) -> None:
    name, colour = _KINDS[arrival.kind]
    title = arrival.title
    room = _WIDTH - 17
    shown = title if len(title) <= room else title[: room - 1] + "…"
    click.echo(f"{arrival.at.astimezone():%H:%M:%S}  {click.style(f'{name:5}', fg=colour, bold=True)}  {shown}")
