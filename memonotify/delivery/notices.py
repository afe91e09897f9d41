"""What `on_failure` is told, and through which channel. Pure: failures and configuration in, notifications out.

Called by the reporter. One message tells of many failures. A failure is never told through the channel that failed
where another can serve: first the configured one, then mail, Slack and last a plain HTTP receiver, which is a machine
more often than a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from memonotify.config.values import ChannelConfig, EmailConfig, OnFailure
from memonotify.model import (
    Branch,
    Failure,
    FailureKind,
    NewDelivery,
    Notification,
    delivery_id,
)

LISTED: Final = 50
"""A notice lists so many failures and counts the rest."""

RULE: Final = "on_failure"
"""What stands in a notice's `rule`: it comes from the configuration's key of that name."""

_LAST_RESORT: Final = {"email": 0, "slack": 1, "http": 2}


def compose(
    failures: Sequence[Failure],
    *,
    on_failure: OnFailure,
    configs: Mapping[str, ChannelConfig],
    serves: Callable[[str], bool],
    now: datetime,
) -> tuple[NewDelivery, ...]:
    """Return the notices that tell of these failures: one for each channel that is needed, nearly always one.

    `serves` says whether a channel is taken to be well now.
    """
    batches: dict[str, list[Failure]] = {}
    failed = {failure.channel for failure in failures}
    for failure in failures:
        target = route(failure.channel, failed, on_failure=on_failure, configs=configs, serves=serves)
        batches.setdefault(target, []).append(failure)
    return tuple(
        _notice(batch, configs[target], recipients(configs[target], on_failure), now)
        for target, batch in batches.items()
    )


def route(
    blamed: str,
    failed: set[str],
    *,
    on_failure: OnFailure,
    configs: Mapping[str, ChannelConfig],
    serves: Callable[[str], bool],
) -> str:
    """Return the channel that tells of a failure of `blamed` (empty: no channel is to blame).

    Best is one that people read, that is well and did not fail for any of those told together; then the configured one
    where it is well, then another that people read, then any that is well, then any other. Where there is no other, the
    failed one itself.
    """
    order = sorted(configs, key=lambda name: (name != on_failure.channel, _LAST_RESORT[configs[name].type], name))
    others = [
        name
        for name in order
        if name != blamed and (name == on_failure.channel or recipients(configs[name], on_failure) is not None)
    ]
    well = [name for name in others if serves(name)]
    unblamed = [name for name in well if name not in failed]
    read = [name for name in well if configs[name].type != "http" or name == on_failure.channel]
    best = [name for name in read if name not in failed]
    configured = [name for name in well if name == on_failure.channel]
    return next(iter((*best, *configured, *read, *unblamed, *well, *others)), on_failure.channel)


def recipients(config: ChannelConfig, on_failure: OnFailure) -> tuple[str, ...] | None:
    """Return who hears through this channel: addresses for mail, () where the channel itself knows, None for nobody."""
    if not isinstance(config, EmailConfig):
        return ()
    return on_failure.to or config.to or None


def _notice(
    failures: Sequence[Failure], config: ChannelConfig, to: tuple[str, ...] | None, now: datetime
) -> NewDelivery:
    first = failures[0]
    salt = f"{config.name}\0{first.seq}\0{failures[-1].seq}"
    return NewDelivery(
        id=delivery_id(first.workspace, first.event_id, RULE, Branch.FAILURE, 0, salt=salt),
        workspace=first.workspace,
        event_id=first.event_id,
        rule=RULE,
        branch=Branch.FAILURE,
        entry=0,
        notification=Notification(channel=config.name, payload=payload(failures, config.type, to or ())),
        created_at=now,
        due_at=now,
    )


def payload(failures: Sequence[Failure], channel_type: str, to: Sequence[str]) -> dict[str, Any]:
    """Return the notice in the shape of a channel's message."""
    if channel_type == "email":
        addressed: dict[str, Any] = {"to": list(to)} if to else {}
        return {**addressed, "subject": subject(failures), "text": text(failures)}
    if channel_type == "slack":
        return {"text": _slack_escaped(f"{subject(failures)}\n{text(failures)}")}
    return {
        "json": {
            "kind": "memonotify_failures",
            "summary": subject(failures),
            "count": len(failures),
            "failures": [_facts(failure) for failure in failures[:LISTED]],
        }
    }


def subject(failures: Sequence[Failure]) -> str:
    """Return one line that says what is wrong."""
    first = failures[0]
    if len(failures) > 1:
        names = sorted({failure.channel or failure.rule or failure.file for failure in failures})
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        return f"memonotify: {len(failures)} failures ({shown})"
    if first.kind is FailureKind.DEAD_LETTER:
        return f"memonotify: {first.channel} did not take a message of {first.rule} ({first.reason})"
    if first.kind is FailureKind.FILE_REFUSED:
        return f"memonotify: {first.file} is wrong and was not put in force"
    return f"memonotify: the rule {first.rule} could not be decided ({first.reason})"


def text(failures: Sequence[Failure]) -> str:
    """Return the notice as plain text: each failure with channel, rule, event and reason, and what to do."""
    parts = [_described(failure) for failure in failures[:LISTED]]
    if len(failures) > LISTED:
        parts.append(f"… and {len(failures) - LISTED} more: memonotify deliveries --state dead")
    if any(failure.kind is FailureKind.DEAD_LETTER for failure in failures):
        parts.append(
            "Nothing of this is tried again by itself. When the cause is gone: memonotify retry --dead sends all dead "
            "letters again, memonotify retry ID one of them, memonotify discard ID gives it up."
        )
    if any(failure.kind is FailureKind.FILE_REFUSED for failure in failures):
        parts.append(
            "memonotify check names every problem. When a file is right again, memonotify reload puts it in force; "
            "with `watch: true` that happens by itself."
        )
    return "\n\n".join(parts) + "\n"


def _described(failure: Failure) -> str:
    if failure.kind is FailureKind.FILE_REFUSED:
        return _described_file(failure)
    if failure.kind is FailureKind.DEAD_LETTER:
        head = "A message could not be delivered and is a dead letter."
    else:
        head = "A rule failed while it was evaluated and made no message."
    lines = [
        head,
        f"  channel: {failure.channel}" if failure.channel else "",
        f"  rule: {failure.rule}",
        f"  event: {failure.event_id} (workspace {failure.workspace})"
        if failure.event_id
        else f"  workspace: {failure.workspace}",
        f"  reason: {failure.reason}" + (f", {failure.detail}" if failure.detail else ""),
        f"  at: {failure.at.isoformat(timespec='seconds')}",
        f"  delivery: {failure.delivery_id}" if failure.delivery_id else "",
    ]
    return "\n".join(line for line in lines if line)


def _described_file(failure: Failure) -> str:
    said = "\n".join(f"  {line}" for line in failure.detail.splitlines())
    return f"{failure.file} is wrong.\n{said}\n  at: {failure.at.isoformat(timespec='seconds')}"


def _facts(failure: Failure) -> dict[str, str]:
    return {
        "kind": failure.kind.value,
        "channel": failure.channel,
        "rule": failure.rule,
        "workspace": failure.workspace,
        "event_id": failure.event_id,
        "reason": failure.reason.value,
        "detail": failure.detail,
        "delivery": failure.delivery_id,
        "file": failure.file,
        "at": failure.at.isoformat(),
    }


def _slack_escaped(plain: str) -> str:
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
