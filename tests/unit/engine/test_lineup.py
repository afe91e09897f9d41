"""Which message of now is which of then."""

from __future__ import annotations

import pytest
from pastparts import new, old

from memonotify.engine.lineup import lined_up
from memonotify.model import Branch


@pytest.mark.parametrize(
    ("then", "now", "met", "gone"),
    [
        pytest.param([], [new()], [()], [], id="nothing was sent"),
        pytest.param([old()], [], [], [("log", 0)], id="nothing is due"),
        pytest.param([old()], [new()], [(("log", 0),)], [], id="the same place"),
        pytest.param([old(channel="mail")], [new()], [()], [("mail", 0)], id="another channel"),
        pytest.param([old("other")], [new()], [()], [("log", 0)], id="another rule"),
        pytest.param([old(branch=Branch.RESOLVED)], [new()], [()], [("log", 0)], id="another branch"),
        pytest.param(
            [old(entry=0, channel="mail"), old(entry=1, channel="slack")],
            [new(entry=0, channel="erp"), new(entry=1, channel="mail"), new(entry=2, channel="slack")],
            [(), (("mail", 0),), (("slack", 1),)],
            [],
            id="an entry was put in before the others",
        ),
        pytest.param(
            [old(entry=0, channel="mail"), old(entry=1, channel="slack")],
            [new(entry=0, channel="slack")],
            [(("slack", 1),)],
            [("mail", 0)],
            id="the first entry was taken out",
        ),
        pytest.param(
            [old(entry=0), old(entry=1)],
            [new(entry=1), new(entry=2)],
            [(("log", 1),), (("log", 0),)],
            [],
            id="two to one channel: the place goes first",
        ),
        pytest.param([old(), old(id="again", replay="resent")], [new()], [(("log", 0), ("log", 0))], [], id="resent"),
    ],
)
def test_messages_are_known_again(then, now, met, gone):
    lineup = lined_up(then, now)
    assert [tuple((each.channel, each.entry) for each in one.then) for one in lineup.met] == met
    assert [(group[0].channel, group[0].entry) for group in lineup.gone] == gone
