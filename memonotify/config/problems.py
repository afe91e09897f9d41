"""Problems in, the text that a person reads out. Called by every command that loads files, and by the daemon."""

from __future__ import annotations

from collections.abc import Sequence

from memonotify.errors import Problem


def format_problems(problems: Sequence[Problem], limit: int = 50) -> str:
    """Return one line for each problem, at most `limit` of them; then how many more there are."""
    lines = [str(problem) for problem in problems[:limit]]
    if len(problems) > limit:
        lines.append(f"… and {len(problems) - limit} more")
    return "\n".join(lines)


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems by line and column, each once. The files keep the order they came in."""
    files = {problem.file: index for index, problem in reversed(list(enumerate(problems)))}
    return sorted(dict.fromkeys(problems), key=lambda problem: (files[problem.file], problem.line, problem.column))
