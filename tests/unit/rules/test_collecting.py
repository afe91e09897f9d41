"""No garbage is collected while rules are loaded, and afterwards it is as it was."""

from __future__ import annotations

import gc

import pytest

from memonotify.rules.collecting import freeze_what_is_there, uncollected


def test_the_collector_is_off_until_the_last_load_has_ended() -> None:
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_is_on_again_after_a_load_that_failed() -> None:
    with pytest.raises(ValueError, match="broken"), uncollected():
        raise ValueError("broken")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_small_load_leaves_frozen_what_was() -> None:
    freeze_what_is_there()
    try:
        with uncollected():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
