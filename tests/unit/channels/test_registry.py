"""Each type of configuration gives its channel."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fakes import ManualClock

from memonotify.channels.registry import build
from memonotify.config.values import ChannelConfig, EmailConfig, HttpConfig, SlackConfig
from memonotify.metrics import Metrics
from memonotify.secret import Secret

URL = Secret("https://example.com/x")


@pytest.mark.parametrize(
    "config",
    [
        EmailConfig(
            name="a",
            type="email",
            concurrency=1,
            rate=None,
            timeout_s=1,
            host="h",
            port=25,
            security="none",
            from_="a@example.com",
        ),
        SlackConfig(name="b", type="slack", concurrency=1, rate=None, timeout_s=1, url=URL),
        HttpConfig(name="c", type="http", concurrency=1, rate=None, timeout_s=1, url=URL),
    ],
)
def test_a_configuration_gives_a_channel_of_its_type(config: ChannelConfig) -> None:
    channel = build(config, clock=ManualClock(), metrics=Metrics())
    assert (channel.name, channel.type) == (config.name, config.type)


def test_the_registry_alone_loads_no_heavy_library() -> None:
    code = "import sys, memonotify.channels.registry; print([m for m in ('httpx', 'aiosmtplib') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
