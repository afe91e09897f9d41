"""How far a long command is, on a pipe."""

from __future__ import annotations

from memonotify.cli.counting import progress


def test_on_a_pipe_each_tenth_of_many_is_a_line_and_few_are_none(capsys):
    with progress("events") as tell:
        for done in range(0, 2001, 50):
            tell(done, 2000)
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 10
    assert told.err.startswith("200 of 2,000 events\n")
    with progress("events") as tell:
        tell(999, 999)
    assert capsys.readouterr().err == ""
