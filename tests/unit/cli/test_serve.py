"""What `memonotify serve` says when it starts is short."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from memonotify.cli.serve import _log_notes
from memonotify.errors import Problem


@pytest.mark.parametrize(("count", "lines"), [(0, 0), (20, 20), (10_000, 21)])
def test_of_many_notes_the_first_are_logged_and_the_others_counted(count: int, lines: int) -> None:
    with capture_logs() as logged:
        _log_notes([Problem(file="r.yaml", line=at, column=1, message="odd", severity="note") for at in range(count)])
    assert len(logged) == lines
    if count > lines:
        assert logged[-1]["message"] == "9980 more notes: memonotify check prints them"
