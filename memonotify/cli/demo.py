"""`memonotify demo`: bank, mailbox and daemon together."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from memonotify.cli.options import example
from memonotify.cli.signals import until_signal
from memonotify.errors import MemonotifyError

if TYPE_CHECKING:
    from memonotify.standin.mailbox import Arrival

_KINDS: Final = {"mail": ("Mail", "blue"), "slack": ("Slack", "magenta"), "http": ("HTTP", "green")}
_WIDTH: Final = 80


@click.command(epilog=example("memonotify demo", "memonotify demo --once", "memonotify demo --language fr --dir demo"))
@click.option("--once", is_flag=True, help="End after a first mail, Slack message and HTTP call have come in.")
@click.option(
    "--language",
    type=click.Choice(["en", "fr"]),
    default="en",
    show_default=True,
    help="Of the messages, in a new folder.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the demo's files here, and use those that are here.",
)
@click.option("--any-port", is_flag=True, help="Listen on any free ports in place of 8080, 9280, 8025 and 7700.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="The least level of the daemon's log that is shown.",
)
@click.pass_context
def demo(ctx: click.Context, once: bool, language: str, folder: Path | None, any_port: bool, log_level: str) -> None:
    """Run a stand-in of the bank, a mailbox and the daemon on the shipped rules, with events flowing.

    Everything stays on this machine. Ctrl-C ends it. Rules and templates that --dir has already stay as they are.
    """
    try:
        import aiosmtpd  # noqa: F401 - asked here for the sake of the sentence
    except ImportError:
        raise MemonotifyError(
            f"the demo's mailbox needs one more package: {shlex.quote(sys.executable)} -m pip install aiosmtpd"
        ) from None

    from memonotify import logs
    from memonotify.standin.demo import Demo, Ports
    from memonotify.standin.demofiles import DemoFiles

    logs.configure(log_level)
    # A demo that only has to end by itself must not stumble over a port somebody uses.
    ports = Ports(webhook=0, admin=0, mailbox=0, bank=0) if any_port or once else Ports()
    place = (folder or Path(tempfile.mkdtemp(prefix="memonotify-demo-"))).resolve()
    files = DemoFiles(place, language)
    if files.have_rules and ctx.get_parameter_source("language") is not ParameterSource.DEFAULT:
        click.echo(f"{place} has its rules already; --language changes nothing in them.", err=True)
    again = _command(place, any_port=any_port) if folder is not None or not once else ""
    show = Demo(files=files, ports=ports, again=again, say=click.echo, on_arrival=_print)
    try:
        was_ended = asyncio.run(until_signal(show.run(once=once)))
    finally:
        is_kept = folder is not None or (files.are_edited and not once)
        if not is_kept:
            shutil.rmtree(place, ignore_errors=True)
    if was_ended and once:
        raise click.Abort
    if once:
        click.echo("\nMail, Slack and HTTP messages have arrived. Run it without --once to look at them.")
        return
    click.echo("\nThe demo has ended." + (f" To start it again with its files:\n{again}" if is_kept else ""))


def _command(place: Path, *, any_port: bool) -> str:
    """Return what is to be typed to start the demo with the files in `place`, for the program that was called now."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        program = [sys.executable, "-m", "memonotify"]
    else:
        found = shutil.which(called.name)
        program = [called.name if found is not None and Path(found).resolve() == called.resolve() else str(called)]
    return shlex.join([*program, "demo", "--dir", str(place), *(["--any-port"] if any_port else [])])


def _print(arrival: Arrival) -> None:
    name, colour = _KINDS[arrival.kind]
    title = arrival.title
    room = _WIDTH - 17
    shown = title if len(title) <= room else title[: room - 1] + "…"
    click.echo(f"{arrival.at.astimezone():%H:%M:%S}  {click.style(f'{name:5}', fg=colour, bold=True)}  {shown}")
