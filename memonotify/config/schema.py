"""The JSON Schemas, and a Document in, one plain sentence per fault of its shape out.

The schema files serve editors as well (`memonotify schema`). Two keywords in them are an editor's:
`patternErrorMessage` and `errorMessage` hold the sentence for a value that does not fit. Called by the loaders of the
configuration and the rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Literal

from memonotify.config.quickcheck import Check, quick_check
from memonotify.config.suggest import closest, did_you_mean
from memonotify.errors import Problem
from memonotify.yamlsource import Document, Path
from memonotify.yamlsource.document import dotted

if TYPE_CHECKING:
    from jsonschema import Draft7Validator
    from jsonschema.exceptions import ValidationError

SchemaName = Literal["config", "rules", "tests"]
Fault = tuple[Path, Problem]

_KINDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What jsonschema found, in our own terms. `branches` are the findings of each alternative of an `anyOf`."""

    path: Path
    keyword: str
    wanted: Any
    given: Any
    schema: Mapping[str, Any]
    in_names: bool
    branches: tuple[tuple[_Finding, ...], ...]


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft-07) of `config.yaml`."""
    return _schema("config")


def rules_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft-07) of a rule file."""
    return _schema("rules")


def schema_of_tests() -> dict[str, Any]:
    """Return the JSON Schema (draft-07) of a file of tests: the part of the rules' that says what a test is."""
    return _schema("tests")


def check_schema(document: Document, schema_name: SchemaName) -> list[Problem]:
    """Return a problem for each way in which the document does not have the shape of the schema."""
    return [problem for _, problem in shape_faults(document, schema_name)]


def shape_faults(document: Document, schema_name: SchemaName) -> list[Fault]:
    """Return the same problems, each with the path of the value that it makes unusable."""
    if _quick_check(schema_name)(document.data):
        return []
    found: dict[tuple[Path, str], Fault] = {}
    for error in _validator(schema_name).iter_errors(document.data):
        for path, problem in _explain(_finding(error), document):
            if not document.is_spoiled(path):
                found.setdefault((path, problem.message), (path, problem))
    return sorted(found.values(), key=lambda fault: (fault[1].line, fault[1].column))


def _schema(name: SchemaName) -> dict[str, Any]:
    if name == "tests":
        return _tests_alone(_schema("rules"))
    text = resources.files("memonotify.config").joinpath("schemas", f"{name}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _tests_alone(rules: Mapping[str, Any]) -> dict[str, Any]:
    definitions = rules["definitions"]
    return {
        "$schema": rules["$schema"],
        "title": "memonotify tests",
        "description": "Events, and what the rules have to make of them. Run by `memonotify test`.",
        "type": "object",
        "additionalProperties": False,
        "required": ["tests"],
        "properties": {"tests": rules["properties"]["tests"]},
        "definitions": {name: definitions[name] for name in ("event_type", "resource_type", "test", "expectation")},
    }


@cache
def _quick_check(name: SchemaName) -> Check:
    return quick_check(_schema(name))


@cache
def _validator(name: SchemaName) -> Draft7Validator:
    from jsonschema import Draft7Validator

    return Draft7Validator(_schema(name))


def _finding(error: ValidationError) -> _Finding:
    branches: dict[int, list[_Finding]] = {}
    for inner in error.context or ():
        branches.setdefault(int(inner.relative_schema_path[0]), []).append(_finding(inner))
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    return _Finding(
        path=tuple(error.absolute_path),
        keyword=str(error.validator),
        wanted=error.validator_value,
        given=error.instance,
        schema=schema,
        in_names="propertyNames" in error.relative_schema_path,
        branches=tuple(tuple(findings) for findings in branches.values()),
    )


def _explain(finding: _Finding, document: Document) -> Iterator[Fault]:
    path = finding.path
    if finding.in_names:
        path = (*path, finding.given)
        sentence = _own_sentence(finding) or f"`{_shown(finding.given)}` cannot be a name"
        yield path, document.problem(path, sentence, key=True)
    elif finding.keyword == "additionalProperties":
        yield from _unknown_keys(finding, document)
    elif finding.keyword == "required":
        yield from _missing_keys(finding, document)
    elif finding.keyword == "anyOf":
        yield from _of_nearest_branch(finding, document)
    elif finding.keyword == "enum" and not isinstance(finding.given, str):
        # The schema's `type` says it better.
        return
    else:
        sentence, hint = _sentence(finding)
        yield path, document.problem(path, sentence, hint=hint)


def _unknown_keys(finding: _Finding, document: Document) -> Iterator[Fault]:
    known = finding.schema.get("properties", {})
    for key in finding.given:
        if key in known:
            continue
        path = (*finding.path, key)
        sentence = f"unknown key `{_shown(key)}`{_where(finding.path)}"
        hint = did_you_mean(key, (name for name in known if name not in finding.given)) or _choice(known)
        yield path, document.problem(path, sentence, hint=hint, key=True)


def _missing_keys(finding: _Finding, document: Document) -> Iterator[Fault]:
    known = finding.schema.get("properties", {})
    free = [name for name in known if name not in finding.given]
    meant = {closest(key, free): key for key in finding.given if key not in known}
    at_key = bool(finding.path) and isinstance(finding.path[-1], str)
    for key in finding.wanted:
        if key in finding.given:
            continue
        path = (*finding.path, key)
        if key not in meant:
            sentence = f"`{key}` is missing{_where(finding.path)}"
            yield path, document.problem(finding.path, sentence, key=at_key)
        elif finding.schema.get("additionalProperties") is not False:
            # A closed mapping tells of the mistyped key by itself.
            mistyped = (*finding.path, meant[key])
            sentence = f"unknown key `{_shown(meant[key])}`{_where(finding.path)}"
            yield path, document.problem(mistyped, sentence, hint=f"did you mean `{key}`?", key=True)


def _of_nearest_branch(finding: _Finding, document: Document) -> Iterator[Fault]:
    """Explain the one branch that the value was probably meant for, or say what all of them take."""
    for branch in finding.branches:
        if all(_is_right_kind(inner, finding.path) for inner in branch):
            for inner in branch:
                yield from _explain(inner, document)
            return
    sentence = _own_sentence(finding)
    if not sentence:
        kinds = [_KINDS[branch["type"]] for branch in finding.wanted if "type" in branch]
        sentence = f"must be {' or '.join(kinds)}, not {_kind_of(finding.given)}"
    yield finding.path, document.problem(finding.path, f"{_name(finding.path)} {sentence}")


def _is_right_kind(finding: _Finding, path: Path) -> bool:
    """Whether the value at `path` is at least of the kind that the finding's schema wants."""
    if finding.path != path:
        return True
    if finding.keyword == "anyOf":
        return any(all(_is_right_kind(inner, path) for inner in branch) for branch in finding.branches)
    return finding.keyword not in ("type", "const", "enum")


def _sentence(finding: _Finding) -> tuple[str, str]:
    own = _own_sentence(finding)
    if own and finding.keyword in ("pattern", "not"):
        return own, ""
    explain = _SENTENCES.get(finding.keyword)
    if explain is None:
        return f"{_name(finding.path)} does not have the right form", ""
    sentence, hint = explain(finding)
    return f"{_name(finding.path)} {sentence}", hint


def _of_type(finding: _Finding) -> tuple[str, str]:
    wanted = finding.wanted if isinstance(finding.wanted, list) else [finding.wanted]
    given = finding.given
    if given is None:
        return "is empty", "give it a value or remove it" if finding.path else ""
    hint = ""
    if "string" in wanted and isinstance(given, int | float):
        hint = _own_sentence(finding) or "put it in quotes"
    elif "array" in wanted and isinstance(given, str):
        hint = "write it as a list: [ … ]"
    elif isinstance(given, str) and "${" in given:
        hint = "a ${…} reference gives text, so it cannot stand here"
    elif "integer" in wanted and isinstance(given, str) and given.isdecimal():
        hint = "remove the quotes"
    return f"must be {' or '.join(_KINDS[kind] for kind in wanted)}, not {_kind_of(given)}", hint


def _of_enum(finding: _Finding) -> tuple[str, str]:
    choices = [str(choice) for choice in finding.wanted]
    given = str(finding.given)
    return f"is `{_shown(given)}`, which is not one of {_listed(choices)}", did_you_mean(given, choices)


_SENTENCES: Final[Mapping[str, Callable[[_Finding], tuple[str, str]]]] = {
    "type": _of_type,
    "enum": _of_enum,
    "const": lambda finding: (f"must be {json.dumps(finding.wanted)}", ""),
    "minimum": lambda finding: (f"must be at least {finding.wanted}", ""),
    "exclusiveMinimum": lambda finding: (f"must be more than {finding.wanted}", ""),
    "maximum": lambda finding: (f"must be at most {finding.wanted}", ""),
    "minLength": lambda _: ("is empty", ""),
    "minItems": lambda _: ("is an empty list", ""),
    "minProperties": lambda _: ("is empty", ""),
    "maxLength": lambda finding: (f"is longer than {finding.wanted} characters", ""),
    "maxItems": lambda finding: (f"has more than {finding.wanted} items", ""),
    "uniqueItems": lambda _: ("holds the same value twice", ""),
}


def _own_sentence(finding: _Finding) -> str:
    return str(finding.schema.get("patternErrorMessage") or finding.schema.get("errorMessage") or "")


def _where(path: Path) -> str:
    if not path:
        return ""
    if isinstance(path[-1], int):
        return f" in {_name(path)}"
    items = [index for index, step in enumerate(path) if isinstance(step, int)]
    return f" in `{dotted(path[items[-1] + 1 :] if items else path)}`"


def _name(path: Path) -> str:
    if not path:
        return "the file"
    last = path[-1]
    if isinstance(last, str):
        return f"`{_shown(last)}`"
    owner = next((step for step in reversed(path) if isinstance(step, str)), "")
    return f"item {last + 1} of `{owner}`" if owner else f"item {last + 1}"


def _kind_of(value: Any) -> str:
    for kind, name in (
        (bool, "true or false"),
        (int | float, "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a mapping"),
    ):
        if isinstance(value, kind):
            return name
    return "nothing"


def _choice(known: Mapping[str, Any]) -> str:
    return f"known are {_listed(list(known))}" if 0 < len(known) <= 12 else ""


def _listed(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _shown(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
