"""`memonotify bank` and `memonotify trigger`: the local stand-in for the bank."""

from __future__ import annotations

import asyncio
import json
import random
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from memonotify.cli.options import example
from memonotify.cli.signals import until_signal
from memonotify.errors import ControlError

if TYPE_CHECKING:
    from memonotify.standin.credentials import Credentials

DEFAULT_PORT: Final = 7700
_DEFAULT_URL: Final = f"http://127.0.0.1:{DEFAULT_PORT}"
_TIMEOUT_S: Final = 10.0


@click.command(
    epilog=example("memonotify bank --webhook http://127.0.0.1:8080/webhooks/acme --token $ACME_WEBHOOK_TOKEN")
)
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="Where to listen.")
@click.option("--webhook", "webhooks", multiple=True, metavar="URL", help="Post events here; may be given again.")
@click.option("--token", metavar="TOKEN", envvar="ACME_WEBHOOK_TOKEN", help="The bearer token of those posts.")
@click.option(
    "--credentials",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("bank-credentials"),
    show_default=True,
    help="Where its key and codes are kept; made at the first start.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0.001),
    default=1.0,
    show_default=True,
    help="Divides the waits between webhook retries (3 min, 10 min, …).",
)
@click.option("--quota", type=click.IntRange(1), default=600, show_default=True, help="API calls a minute.")
@click.option("--seed", type=int, help="The same data each time.")
def bank(
    port: int,
    webhooks: tuple[str, ...],
    token: str | None,
    folder: Path,
    speed: float,
    quota: int,
    seed: int | None,
) -> None:
    """Run a local stand-in for Memo Bank: API, webhooks with retries, the sandbox endpoints.

    It verifies each call's JWT as the bank does and answers with believable French data. `memonotify trigger` makes it
    raise events.
    """
    from memonotify.standin.credentials import CODES_FILE, Credentials, make_credentials

    if (folder / CODES_FILE).exists():
        credentials = Credentials.load(folder)
    else:
        credentials = make_credentials()
        credentials.save(folder)
    chance = random.Random(seed)  # noqa: S311 - believable data, not secrecy
    settings = {"random": chance, "port": port, "speed": speed, "quota": quota}
    asyncio.run(until_signal(_run(credentials, folder.resolve(), webhooks, token, settings)))


async def _run(
    credentials: Credentials, folder: Path, webhooks: tuple[str, ...], token: str | None, settings: dict[str, Any]
) -> None:
    from memonotify.clock import SystemClock
    from memonotify.standin.bank import StandInBank
    from memonotify.standin.credentials import KEY_FILE

    async with StandInBank(clock=SystemClock(), credentials=credentials, **settings) as standin:
        click.echo(
            f"""The stand-in answers on {standin.url}

A workspace that calls it has in config.yaml:
    api:
      base_url: {standin.url}
      thumbprint: {credentials.thumbprint.reveal()}
      secret: {credentials.secret.reveal()}
      private_key: ${{file:{folder / KEY_FILE}}}
"""
        )
        for url in webhooks:
            webhook = standin.add_webhook(url, token)
            click.echo(f"Events go to {url}" + ("" if token else f" with the token {webhook.token.reveal()}"))
        if not webhooks:
            click.echo("Events go nowhere yet: give --webhook URL, or make one with POST /v2/webhooks")
        bank_option = "" if standin.url == _DEFAULT_URL else f" --bank {standin.url}"
        click.echo(f"Raise one: memonotify trigger transaction_confirmed --set resource.amount=12500{bank_option}")
        await asyncio.Event().wait()


def _complete_types(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from memonotify.catalogue import EVENT_TYPES

    return [name for name in EVENT_TYPES if name.startswith(incomplete)]


@click.command(
    epilog=example(
        "memonotify trigger transaction_confirmed --set resource.amount=1250000 --set resource.direction=credit",
        "memonotify trigger collection_returned --repeat 2",
    )
)
@click.option(
    "--bank",
    "url",
    default=_DEFAULT_URL,
    show_default=True,
    metavar="URL",
    help="Where the stand-in answers.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="A field of the event, its resource or its account; the value is JSON, or else text.",
)
@click.option(
    "--repeat", type=click.IntRange(1, 1000), default=1, show_default=True, help="Post the same event so many times."
)
@click.argument("event_type", shell_complete=_complete_types)
def trigger(url: str, overrides: tuple[str, ...], repeat: int, event_type: str) -> None:
    """Make the stand-in raise an event and print it. EVENT_TYPE: one of the bank's 34, or a new one."""
    import httpx

    wanted = {"event_type": event_type, "set": dict(_override(text) for text in overrides), "repeat": repeat}
    try:
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
            response = client.post(f"{url.rstrip('/')}/_standin/trigger", json=wanted)
            data = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise ControlError(f"no stand-in answers on {url}: start one with memonotify bank") from None
    if not response.is_success:
        raise ControlError(str(data.get("message", f"the stand-in answered {response.status_code}")))
    _say_unpublished(event_type)
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _say_unpublished(event_type: str) -> None:
    from memonotify.catalogue import EVENT_TYPES

    if event_type not in EVENT_TYPES:
        close = get_close_matches(event_type, EVENT_TYPES, n=1, cutoff=0.8)
        hint = f" (did you mean {close[0]}?)" if close else ""
        click.echo(f"{event_type} is not a published event type{hint}; raised all the same.", err=True)


def _override(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise click.UsageError(f"--set {text}: write it as PATH=VALUE, such as resource.amount=12500")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value
