"""The places of workspaces, and the lines before them."""

from __future__ import annotations

import asyncio

from engineparts import event, settled

from memonotify.engine.places import Places


async def test_a_workspace_has_its_own_places_and_its_own_line():
    places = Places(each=2)
    assert [places.take(event(seq)) for seq in (1, 2, 3)] == [True, True, False]
    assert places.take(event(4, workspace="umbrella"))


async def test_a_place_goes_to_the_first_in_line():
    places = Places(each=1)
    for seq in (1, 2, 3):
        places.take(event(seq))
    assert [places.hand_on("acme").seq, places.hand_on("acme").seq, places.hand_on("acme")] == [2, 3, None]
    assert places.take(event(4))


async def test_reading_on_waits_while_the_lines_are_full():
    places = Places(each=1, most_waiting=2)
    await places.room()
    for seq in (1, 2, 3):
        places.take(event(seq))
    waiting = asyncio.ensure_future(places.room())
    await settled()
    assert not waiting.done()
    places.hand_on("acme")
    await waiting
