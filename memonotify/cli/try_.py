"""`memonotify try`: what an event would send, and why."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memonotify.cli.options import Loaded, config_option, example, json_option, load_all
from memonotify.cli.tables import print_json
from memonotify.errors import MemonotifyError, SendError, StoreError

if TYPE_CHECKING:
    from memonotify.config.values import Config
    from memonotify.engine.asks import Given, Lookup
    from memonotify.engine.enclosing import Proof
    from memonotify.engine.evaluate import Memory
    from memonotify.engine.inquiry import Inquiry
    from memonotify.engine.preview import Preview
    from memonotify.holding import Policy
    from memonotify.model import Event, NewDelivery, Silence
    from memonotify.rules.values import Rule
    from memonotify.windowing import Figures, WindowSpan


@click.command(
    "try",
    epilog=example("memonotify try event.json --resource transaction.json", "memonotify try event.json --send"),
)
@config_option
@json_option
@click.option(
    "--resource",
    "resource_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="In place of the bank's answer.",
)
@click.option(
    "--lookup", "lookups", multiple=True, metavar="NAME=FILE", help="In place of the answer to a look-up under fetch."
)
@click.option("--workspace", metavar="NAME", help="Whose event it is. Default: the configuration's first workspace.")
@click.option("--send", is_flag=True, help="Send the messages, for real.")
@click.argument("event_file", metavar="EVENT.json", type=click.Path(path_type=Path))
def try_(
    config_path: Path | None,
    as_json: bool,
    resource_file: Path | None,
    lookups: tuple[str, ...],
    workspace: str | None,
    send: bool,
    event_file: Path,
) -> None:
    """Show what the event in EVENT.json would send, rendered, and why each rule does or does not fire.

    EVENT.json is an event as the bank posts it (- reads it from standard input). Where a rule needs the resource, the
    bank is asked for it, unless --resource brings it. A rule that remembers is shown as for a key that is new; silences
    are those in force now. With --send, messages that would wait go at once, and those that follow later are not sent.
    The proof that a mail attaches is fetched with --send, or where the bank is asked anyway.
    """
    from memonotify.cli.trytext import preview_json, print_preview

    loaded = load_all(config_path, resolve=False)
    event = _event(event_file, loaded, workspace)
    given = {"resource": _read(resource_file)} if resource_file is not None else {}
    given |= dict(_lookup(text) for text in lookups)
    asks = _asks_the_bank(loaded, event, set(given)) or (send and _attaches(loaded, event))
    if send or asks:
        loaded = load_all(config_path, resolve=True)
    shown, files = asyncio.run(_preview(loaded, event, given, asks=asks))
    if as_json:
        print_json(preview_json(shown))
    else:
        print_preview(shown, timezone=loaded.config.config.timezone)
    if send and not asyncio.run(send_all(loaded, _goes(shown.messages), files)):
        raise click.exceptions.Exit(1)


def _read(path: Path) -> Any:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise MemonotifyError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MemonotifyError(f"{path}: not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MemonotifyError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None


def _lookup(text: str) -> tuple[str, Any]:
    name, equals, file = text.partition("=")
    if not equals:
        raise click.UsageError(f"--lookup {text}: write it as NAME=FILE, such as account=account.json")
    return name, _read(Path(file))


def _event(path: Path, loaded: Loaded, workspace: str | None) -> Event:
    from memonotify.intake.events import InvalidEvent, read_event
    from memonotify.model import Event

    config = loaded.config.config
    name = workspace or config.workspaces[0].name
    if config.workspace(name) is None:
        raise MemonotifyError(
            f"there is no workspace {name!r}; the configuration has {', '.join(one.name for one in config.workspaces)}"
        )
    try:
        body, _ = read_event(json.dumps(_read(path)).encode())
    except InvalidEvent as invalid:
        raise MemonotifyError(f"{path}: {invalid}") from None
    return Event(
        workspace=name,
        id=body["id"],
        date=body["date"],
        event_type=body["event_type"],
        resource_type=body["resource_type"],
        resource_id=body["resource_id"],
        body=body,
        received_at=datetime.now(UTC),
    )


def _candidates(loaded: Loaded, event: Event) -> tuple[Rule, ...]:
    return loaded.rules.ruleset.candidates(event.event_type, event.resource_type, event.workspace)


def _asks_the_bank(loaded: Loaded, event: Event, given: set[str]) -> bool:
    return any(
        (rule.needs_resource and "resource" not in given) or set(rule.lookups) - given
        for rule in _candidates(loaded, event)
    )


def _attaches(loaded: Loaded, event: Event) -> bool:
    return any(rule.attaches for rule in _candidates(loaded, event))


async def _preview(
    loaded: Loaded, event: Event, given: Mapping[str, Any], *, asks: bool
) -> tuple[Preview, dict[str, bytes]]:
    """Return what is shown, and by their path the files that were fetched for it."""
    from memonotify.cli.counted import counted
    from memonotify.clock import SystemClock
    from memonotify.engine.asks import Given
    from memonotify.engine.inquiry import Inquiry
    from memonotify.engine.preview import preview
    from memonotify.memobank.client import BankClient
    from memonotify.metrics import Metrics
    from memonotify.policies.hours import hours_of

    clock = SystemClock()
    config = loaded.config.config
    workspace = config.workspace(event.workspace)
    api = workspace.api if workspace is not None and asks else None
    bank = BankClient(event.workspace, api, clock=clock, metrics=Metrics()) if api is not None else None
    try:
        inquiry = Inquiry(
            event,
            bank,
            resource_types=config.resource_types,
            retry=config.retry,
            clock=clock,
            random=random.Random(),  # noqa: S311 - jitter of waits that a preview does not make
        )
        resource = Given(value=given["resource"]) if "resource" in given else None
        answers = _Answers(inquiry, given, asks=asks)
        silences, note = await _silences(config, clock.now())
        async with counted(config.store, _candidates(loaded, event), clock) as memory:
            shown = await preview(
                event,
                loaded.rules.ruleset,
                answers=answers,
                at=clock.now(),
                memory=_Standing(memory, silences),
                resource=resource,
                hours=hours_of(config),
                notes=(note,) if note else (),
            )
        return shown, {document.path: document.content for document in inquiry.documents}
    finally:
        if bank is not None:
            await bank.close()


class _Answers:
    """Answers from the files that were given, and asks the bank for the rest; for no proof where it is not asked."""

    def __init__(self, inquiry: Inquiry, given: Mapping[str, Any], *, asks: bool) -> None:
        self._inquiry = inquiry
        self._given = given
        self._asks = asks

    async def resource(self) -> Given:
        return await self._inquiry.resource()

    async def look_up(self, lookup: Lookup) -> Given:
        from memonotify.engine.asks import Given

        if lookup.name in self._given:
            return Given(value=self._given[lookup.name])
        return await self._inquiry.look_up(lookup)

    async def proof(self, proof: Proof) -> Given:
        from memonotify.engine.asks import Given
        from memonotify.engine.enclosing import Enclosure

        return await self._inquiry.proof(proof) if self._asks else Given(value=Enclosure())


class _Standing:
    """What the store's windows hold and its silences, and no other memory: each rule is shown as for a new key."""

    def __init__(self, counted: Memory, silences: Sequence[Silence]) -> None:
        self._counted = counted
        self._silences = silences

    async def policy_state(self, _workspace: str, _rule: str, _policy: Policy, _key: str) -> str | None:
        return None

    async def active_silences(self, _at: datetime) -> Sequence[Silence]:
        return self._silences

    async def window_figures(self, span: WindowSpan) -> Figures:
        return await self._counted.window_figures(span)


async def _silences(config: Config, now: datetime) -> tuple[Sequence[Silence], str]:
    """Return the silences in force, and a note where the store cannot tell them; none where there is no store yet."""
    from memonotify import logs
    from memonotify.clock import SystemClock
    from memonotify.store.store import Store

    # What the store would log, the note says.
    logs.configure("critical")
    try:
        store = Store(config.store, clock=SystemClock())
        if not store.exists():
            return (), ""
        await store.open(read_only=True)
        try:
            return await store.silences(active_at=now), ""
        finally:
            await store.close()
    except StoreError as error:
        return (), f"the silences in force are not known: {error}"


def _goes(messages: tuple[NewDelivery, ...]) -> tuple[NewDelivery, ...]:
    """Return the messages that are sent, now or when their wait is over; what follows later depends on what happens."""
    from memonotify.model import Branch, DeliveryState

    return tuple(
        one for one in messages if one.state is not DeliveryState.SUPPRESSED and one.branch is not Branch.ESCALATE
    )


async def send_all(loaded: Loaded, messages: tuple[NewDelivery, ...], files: Mapping[str, bytes]) -> bool:
    """Send messages, with the bytes of their files by path; return whether all were taken by all."""
    from memonotify.channels.registry import build
    from memonotify.clock import SystemClock
    from memonotify.delivery.enclosures import enclosed
    from memonotify.metrics import Metrics

    async def read(path: str) -> bytes | None:
        return files.get(path)

    clock = SystemClock()
    well = True
    for message in messages:
        name = message.notification.channel
        channel = build(loaded.config.config.channels[name], clock=clock, metrics=Metrics())
        payload = message.notification.payload
        if payload.get("attach"):
            payload = await enclosed(payload, read)
        try:
            receipt = await channel.send(payload, identity=message.identity or message.id)
        except SendError as error:
            well = False
            click.secho(f"{name} did not take the message: {error}", fg="red", err=True)
        else:
            click.echo(f"sent to {name} ({receipt.status or 'ok'})")
            for refusal in receipt.refusals:
                well = False
                click.secho(f"  but {refusal.recipient} was refused: {refusal.reason}", fg="red", err=True)
        finally:
            await channel.close()
    return well
