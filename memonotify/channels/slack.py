"""A Slack incoming webhook: `{"text", "blocks"}` posted to the channel's address, which is the credential.

Comes in: a payload with `text` and perhaps `blocks` and `severity`. Goes out: a Receipt where Slack answers `ok`.
What exceeds Slack's limits is cut before it is sent (`slack_limits`). Facts: Slack's pages on incoming webhooks and
their errors: 400 `invalid_payload`, 403 `action_prohibited`, 404 `no_service`, 410 `channel_is_archived`, 429 with
`Retry-After`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

from memonotify.channels.caller import USER_AGENT, Answer, Caller
from memonotify.channels.reach import reach
from memonotify.channels.redaction import Redactor
from memonotify.channels.slack_limits import fit
from memonotify.channels.web_address import parse_address, secrets_of
from memonotify.config.values import SlackConfig
from memonotify.errors import Reason, SendError
from memonotify.model import Clock, Receipt

_HEADERS: Final = (
    (b"content-type", b"application/json; charset=utf-8"),
    (b"user-agent", USER_AGENT.encode()),
    (b"accept-encoding", b"identity"),
)


class SlackChannel:
    """One incoming webhook. Slack knows no idempotency key, so `identity` is not part of what is posted."""

    type: str = "slack"

    def __init__(self, config: SlackConfig, *, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Make the channel; nothing is connected yet.

        Raises:
            SendError: CONFIGURATION, where the url is none.
        """
        self.name = config.name
        self._url = parse_address(config.url)
        self._timeout_s = config.timeout_s
        self._redactor = Redactor(secrets_of(self._url))
        self._caller = Caller(
            timeout_s=config.timeout_s,
            concurrency=config.concurrency,
            redactor=self._redactor,
            clock=clock,
            transport=transport,
        )

    async def send(self, payload: Mapping[str, Any], *, identity: str) -> Receipt:  # noqa: ARG002 - the protocol's
        """Post one message.

        Raises:
            SendError: Slack did not take it, or something else than Slack answered.
        """
        try:
            body = json.dumps(fit(payload), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except (ValueError, TypeError) as error:
            raise SendError(Reason.TEMPLATE, "the blocks hold a value that JSON cannot carry") from error
        answer = await self._caller.call("POST", self._url, _HEADERS, body.encode("utf-8", "replace"))
        if not _is_ok(answer):
            said = self._redactor.shown(answer.body)
            raise SendError(
                Reason.INVALID_RESPONSE,
                f"answered {answer.status} but not `ok`; is the url a Slack incoming webhook? It said: {said}",
                status=answer.status,
            )
        return Receipt(status=answer.status, detail=self._redactor.shown(answer.body))

    async def probe(self) -> None:
        """Connect to Slack, and post nothing: whether the webhook still exists only a message would tell.

        Raises:
            SendError: it cannot be reached, or its certificate is not accepted.
        """
        await reach(self._url, ca_file=None, timeout_s=self._timeout_s)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._caller.close()


def _is_ok(answer: Answer) -> bool:
    """Slack says `ok`; receivers that imitate it say nothing or answer with JSON such as `{"success": true}`."""
    text = answer.body.strip()
    if text in {b"ok", b""}:
        return True
    try:
        data = json.loads(text)
    except ValueError:
        return False
    return isinstance(data, dict) and data.get("ok", data.get("success")) is True
