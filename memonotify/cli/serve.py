"""`memonotify serve`: the daemon in the foreground."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memonotify import sdnotify
from memonotify.cli.options import config_option, example, load_all
from memonotify.cli.signals import on_signal
from memonotify.errors import ConfigError, Problem

if TYPE_CHECKING:
    from memonotify.app import App
    from memonotify.config.values import Config
    from memonotify.rules.values import Ruleset

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
    rules and templates again. Logs go to stderr.
    """
    from memonotify import logs

    logs.configure(log_level, log_format)  # type: ignore[arg-type] # click has checked it
    loaded = load_all(config_path, resolve=True)
    _log_notes((*loaded.config.notes, *loaded.rules.notes))

    from memonotify.app import App, prepare_process
    from memonotify.model import Role

    prepare_process()
    app = App(loaded.config.config, loaded.rules.ruleset, role=Role(role), node=node)
    _runner()(_serve(app, lambda: _rules_for(app.config)))


def _log_notes(notes: Sequence[Problem]) -> None:
    """Log the first notes, and how many more there are: a start is not the place to read ten thousand."""
    from memonotify.logs import logger

    for note in notes[:_MAX_NOTES]:
        logger().warning("note", place=f"{note.file}:{note.line}:{note.column}", message=note.message)
    if len(notes) > _MAX_NOTES:
        more = f"{len(notes) - _MAX_NOTES} more notes: memonotify check prints them"
        logger().warning("note", place=notes[0].file, message=more)


def _rules_for(config: Config) -> Ruleset:
    """Load the rule files again, for the channels and workspaces of the configuration that runs.

    Raises:
        ConfigError: with every problem of all files.
    """
    from memonotify.rules.loader import load_rules
    from memonotify.templating.environment import Templates

    templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
    return load_rules(config, templates).ruleset


def _runner() -> Callable[..., None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


async def _serve(app: App, load_rules: Callable[[], Ruleset]) -> None:
    from memonotify.app import keep_what_is_loaded
    from memonotify.logs import logger

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    on_signal(ended.set, at_once=lambda: logger().warning("daemon_ended_at_once"))

    reloading = asyncio.Lock()
    reloads: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        try:
            async with reloading:
                # Beside the loop: many rules take seconds, and the webhook answers meanwhile.
                app.use_rules(await asyncio.to_thread(load_rules))
        except ConfigError as error:
            for problem in error.problems:
                logger().error("reload_refused", problem=str(problem))
        else:
            logger().info("rules_reloaded", rules=app.describe()["rules"])

    def on_hangup() -> None:
        task = loop.create_task(reload(), name="reload")
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, on_hangup)
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
