"""`memonotify serve`: the daemon in the foreground."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memonotify import sdnotify
from memonotify.cli.options import config_option, example
from memonotify.cli.signals import on_signal
from memonotify.cli.starting import load_to_serve, start_notes
from memonotify.errors import Problem

if TYPE_CHECKING:
    from memonotify.app import App

_MAX_NOTES: Final = 20


@click.command(epilog=example("memonotify serve -c /etc/memonotify/config.yaml"))
@config_option
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    envvar="MEMONOTIFY_LOG_LEVEL",
    help="The least level that is logged.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    envvar="MEMONOTIFY_LOG_FORMAT",
    help="How a log line looks; auto is text on a terminal, else JSON.",
)
@click.option(
    "--role",
    type=click.Choice(["all", "intake", "worker"]),
    default="all",
    show_default=True,
    help="What this node does on a store that several share: take events in, evaluate and send, or both.",
)
@click.option("--node", metavar="NAME", help="This node's name in `memonotify nodes`. Default: the machine's.")
def serve(config_path: Path | None, log_level: str, log_format: str, role: str, node: str | None) -> None:
    """Run the daemon in the foreground.

    SIGTERM and SIGINT drain what has begun and end with 0; a second one ends at once, with 143 or 130. SIGHUP loads the
    rules and templates again, as memonotify reload does. A rule file that is wrong starts in its last good version;
    where it has none, nothing starts. Logs go to stderr.
    """
    from memonotify import logs

    logs.configure(log_level, log_format)  # type: ignore[arg-type] # click has checked it
    loaded, in_force = load_to_serve(config_path, node=node)
    _log_notes((*loaded.notes, *start_notes(loaded.config, in_force)))

    from memonotify.app import App, prepare_process
    from memonotify.model import Role

    prepare_process()
    app = App(loaded.config, in_force, role=Role(role), node=node)
    _runner()(_serve(app))


def _log_notes(notes: Sequence[Problem]) -> None:
    """Log the first notes, and how many more there are: a start is not the place to read ten thousand."""
    from memonotify.logs import logger

    for note in notes[:_MAX_NOTES]:
        logger().warning("note", place=f"{note.file}:{note.line}:{note.column}", message=note.message)
    if len(notes) > _MAX_NOTES:
        more = f"{len(notes) - _MAX_NOTES} more notes: memonotify check prints them"
        logger().warning("note", place=notes[0].file, message=more)


def _runner() -> Callable[..., None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


async def _serve(app: App) -> None:
    from memonotify.app import keep_what_is_loaded
    from memonotify.logs import logger

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    on_signal(ended.set, at_once=lambda: logger().warning("daemon_ended_at_once"))

    loop.add_signal_handler(signal.SIGHUP, app.reloader.request, "signal")
    await app.start()
    keep_what_is_loaded()
    sdnotify.notify("READY=1", f"STATUS=webhook on {app.webhook_address}, admin on {app.admin_address}")
    beat = asyncio.create_task(_beat(app), name="watchdog")
    await ended.wait()
    sdnotify.notify("STOPPING=1")
    logger().info("daemon_stopping")
    beat.cancel()
    await app.stop()
    logger().info("daemon_stopped")


async def _beat(app: App) -> None:
    """Tell systemd that the loop turns and the store's writer moves; where either stops, so does this."""
    from memonotify.logs import logger

    every_s = sdnotify.watchdog_s()
    if every_s is None:
        return
    while True:
        if app.is_alive(every_s):
            sdnotify.notify("WATCHDOG=1")
        else:
            logger().error("store_writer_stuck", within_s=every_s)
        await asyncio.sleep(every_s / 3)
