"""`memonotify channel`: list the channels, send a test message."""

from __future__ import annotations

import asyncio
import uuid
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.group import CommandGroup
from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json, print_rows
from memonotify.errors import ControlError, SendError

if TYPE_CHECKING:
    from memonotify.config.values import ChannelConfig, Config
    from memonotify.model import Receipt


@click.group(cls=CommandGroup, epilog=example("memonotify channel list", "memonotify channel test finance-mail"))
def channel() -> None:
    """List the channels, or send a test message through one."""


@channel.command("list", epilog=example("memonotify channel list --json"))
@config_option
@json_option
def list_channels(config_path: Path | None, as_json: bool) -> None:
    """List the channels: what waits, what was sent, what is dead, and whether the breaker is open."""
    config = load_config_only(config_path, resolve=False).config
    rows: list[dict[str, Any]] = Reach(config).get("/api/channels", {}, lambda operations: operations.channels())
    if as_json:
        print_json(rows)
        return
    columns = ("name", "type", "breaker", "pending", "sent", "dead", "last_sent_at", "last_reason")
    print_rows(rows, columns, empty="The configuration has no channels.")


@channel.command("test", epilog=example("memonotify channel test finance-mail --to me@example.com"))
@config_option
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="Mail only: instead of the channel's own.")
@click.argument("name")
def test_channel(config_path: Path | None, recipients: tuple[str, ...], name: str) -> None:
    """Send one message, marked as a test, through the channel NAME and say what the receiver answered.

    It goes out at once, by itself: neither the store nor a running daemon takes part.
    """
    _check(load_config_only(config_path, resolve=False).config, name, recipients)
    # Only now, for a wrong name is told before a secret that is not filled in yet.
    config = load_config_only(config_path, resolve=True).config
    try:
        receipt = asyncio.run(_send(config.channels[name], recipients))
    except SendError as error:
        raise ControlError(f"{name} did not take the message: {error}") from None
    click.echo(f"{name} took the message ({receipt.status or 'ok'}{': ' + receipt.detail if receipt.detail else ''}).")
    for refusal in receipt.refusals:
        click.echo(f"  but refused {refusal.recipient}: {refusal.reason} {refusal.detail}", err=True)
    if receipt.refusals:
        raise click.exceptions.Exit(1)


def _check(config: Config, name: str, recipients: tuple[str, ...]) -> None:
    found = config.channels.get(name)
    if found is None:
        close = get_close_matches(name, config.channels, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ControlError(f"there is no channel {name}{hint}; known are {', '.join(config.channels)}")
    if recipients and found.type != "email":
        raise ControlError(f"--to is for mail; {name} is a channel of type {found.type}")


async def _send(config: ChannelConfig, recipients: tuple[str, ...]) -> Receipt:
    from memonotify.channels.registry import build
    from memonotify.clock import SystemClock
    from memonotify.metrics import Metrics
    from memonotify.templating.messages import test_payload

    payload = test_payload(config.type, channel=config.name)
    if recipients:
        payload = {**payload, "to": list(recipients)}
    sender = build(config, clock=SystemClock(), metrics=Metrics())
    try:
        return await sender.send(payload, identity=f"test_{uuid.uuid4().hex}")
    finally:
        await sender.close()
