"""Says what is wrong with the arguments of a filter or a test, without running it.

Takes a parsed call and the function behind its name, gives a sentence or an empty text. `names` calls it.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, Final

from jinja2 import nodes

from memonotify.config.suggest import closest

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def argument_fault(call: nodes.Filter | nodes.Test, function: Any) -> str:
    """Return what is wrong with a call's arguments, such as `filter 'iban' has no argument 'msk'`."""
    if call.dyn_args is not None or call.dyn_kwargs is not None:
        return ""
    name = f"{'filter' if isinstance(call, nodes.Filter) else 'test'} {call.name!r}"
    return _fault(name, function, len(call.args), tuple(pair.key for pair in call.kwargs))


@lru_cache(maxsize=1024)
def _fault(name: str, function: Any, count: int, named: tuple[str, ...]) -> str:
    parameters = _parameters(function)
    if parameters is None:
        return ""
    positional = [each.name for each in parameters if each.kind in _POSITIONAL]
    by_name = [each.name for each in parameters if each.kind in _BY_NAME]
    kinds = {each.kind for each in parameters}
    unknown = [key for key in named if key not in by_name]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        meant = closest(unknown[0], by_name)
        return f"{name} has no argument {unknown[0]!r}" + (f" (did you mean {meant!r}?)" if meant else "")
    if count > len(positional) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        most = len(positional)
        taken = f"at most {most} argument{'s' if most > 1 else ''}, not {count}" if most else "no argument"
        return f"{name} takes {taken}"
    given = {*positional[:count], *named}
    twice = [key for key in named if key in positional[:count] or named.count(key) > 1]
    if twice:
        return f"{name} is given its argument {twice[0]!r} twice"
    missed = [each.name for each in parameters if each.default is each.empty and each.name not in given]
    return f"{name} needs its argument {missed[0]!r}" if missed and missed[0] in (*positional, *by_name) else ""


def _parameters(function: Any) -> list[inspect.Parameter] | None:
    """Return what a rule may give to a filter or a test, behind the value itself; None where nobody knows."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    # Jinja's own may ask for the environment or the context, which comes before the value.
    passed = getattr(inspect.unwrap(function), "jinja_pass_arg", None) is not None
    return parameters[1 + passed :]
