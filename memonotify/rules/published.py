"""What a rule matches on, held against what the bank has published: the data of a `match` in, notes out.

New types appear without notice, so a type that is not known here is doubtful and never wrong. `reader` calls it; one
`Published` serves a whole load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS
from memonotify.config.suggest import Suggester
from memonotify.errors import Problem
from memonotify.rules.match import fits, is_glob
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath


class Published:
    """The bank's types. `added` are the resource types that the configuration knows beside them."""

    def __init__(self, added: Iterable[str], suggester: Suggester) -> None:
        self._resource_types = RESOURCE_PATHS.keys() | set(added)
        self._added = tuple(f"{name}_" for name in sorted(added))
        self._suggester = suggester

    def notes(self, document: Document, path: DataPath, match: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield a note for each type in the `match` at `path` that is not published, or where no event has both."""
        events, resources = _patterns(match.get("event_type")), _patterns(match.get("resource_type"))
        unknown_events = [(step, text) for step, text in events if not self._is_event_type(text)]
        unknown_resources = [(step, text) for step, text in resources if not self._is_resource_type(text)]
        for step, text in unknown_events:
            hint = self._meant(text, EVENT_TYPES) or "right where the bank has added it since this version"
            yield _note(document, (*path, "event_type", *step), _unpublished(text, "event type"), hint)
        for step, text in unknown_resources:
            hint = self._meant(text, self._resource_types) or "a new one stands under `resource_types` of config.yaml"
            yield _note(document, (*path, "resource_type", *step), _unpublished(text, "resource type"), hint)
        if events and resources and not unknown_events and not unknown_resources:
            yield from self._contradiction(
                document, path, [text for _, text in events], [text for _, text in resources]
            )

    def _contradiction(
        self, document: Document, path: DataPath, events: list[str], resources: list[str]
    ) -> Iterator[Problem]:
        about = _resource_types_of(tuple(events))
        wanted = tuple(resources)
        if any(fits(wanted, name) for name in about) or any(text.startswith(self._added) for text in events):
            return
        kinds = ", ".join(f"`{name}`" for name in sorted(about))
        message = f"the rule can never match: the resource type of its event types is {kinds}"
        yield _note(document, (*path, "resource_type"), message, "remove `resource_type`, or name other event types")

    def _is_event_type(self, text: str) -> bool:
        # The bank names an event by its resource type, so those of an added type begin with it.
        return bool(_resource_types_of((text,))) or text.startswith(self._added)

    def _is_resource_type(self, text: str) -> bool:
        if not is_glob(text):
            return text in self._resource_types
        return any(fits((text,), name) for name in self._resource_types)

    def _meant(self, text: str, known: Iterable[str]) -> str:
        return "" if is_glob(text) else self._suggester.did_you_mean(text, known)


@lru_cache(maxsize=1024)
def _resource_types_of(event_types: tuple[str, ...]) -> frozenset[str]:
    """Return the resource types of all published events that fit."""
    exact = {EVENT_TYPES[text] for text in event_types if text in EVENT_TYPES}
    globs = tuple(filter(is_glob, event_types))
    return frozenset(exact | {about for name, about in EVENT_TYPES.items() if globs and fits(globs, name)})


def _patterns(given: Any) -> list[tuple[DataPath, str]]:
    """Return each value and glob of a fact with its path below the fact."""
    if isinstance(given, str):
        return [((), given)]
    return [((at,), text) for at, text in enumerate(given if isinstance(given, list) else ()) if isinstance(text, str)]


def _unpublished(text: str, what: str) -> str:
    return f"`{text}` {'fits' if is_glob(text) else 'is'} no {what} that the bank has published"


def _note(document: Document, path: DataPath, message: str, hint: str) -> Problem:
    return document.problem(path, message, hint=hint, severity="note")
