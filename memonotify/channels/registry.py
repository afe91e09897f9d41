"""From a channel's configuration to the channel. The composition root calls it, once for each configured channel.

A channel's module, with the library it stands on, is loaded only where the configuration has a channel of its type.
"""

from __future__ import annotations

from memonotify.channels.base import Channel
from memonotify.config.values import ChannelConfig, EmailConfig, HttpConfig, SlackConfig
from memonotify.metrics import Metrics
from memonotify.model import Clock


def build(config: ChannelConfig, *, clock: Clock, metrics: Metrics) -> Channel:
    """Return the channel; nothing is connected yet.

    Raises:
        SendError: CONFIGURATION, where a value is of the right shape but of no use, such as a url without a host.
    """
    match config:
        case EmailConfig():
            from memonotify.channels.email import EmailChannel

            return EmailChannel(config, clock=clock, metrics=metrics)
        case SlackConfig():
            from memonotify.channels.slack import SlackChannel

            return SlackChannel(config, clock=clock)
        case HttpConfig():
            from memonotify.channels.http import HttpChannel

            return HttpChannel(config, clock=clock)
        case _:
            raise TypeError(f"no channel is made of {type(config).__name__}")
