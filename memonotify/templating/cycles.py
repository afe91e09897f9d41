"""Refuses templates that include or extend each other in a circle: they would never end.

Takes which file leads to which, as `names` has found it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from memonotify.errors import CompileError


class Step(NamedTuple):
    """An include: the path of the file it leads to, its name as written, and the line."""

    path: str
    name: str
    line: int


def refuse_cycles(start: str, steps: Mapping[str, Sequence[Step]]) -> None:
    """Follow every include from the file `start` on.

    Raises:
        CompileError: at the include that leads back to a file on the way to it.
    """
    done: set[str] = set()
    way = {start: iter(steps.get(start, ()))}
    while way:
        here = next(reversed(way))
        step = next(way[here], None)
        if step is None:
            done.add(here)
            del way[here]
        elif step.path in way:
            what = "the template includes itself" if step.path == here else f"{step.name!r} leads back to this template"
            raise CompileError(f"{what}, so it would never end", line=step.line, file=here)
        elif step.path not in done:
            way[step.path] = iter(steps.get(step.path, ()))
