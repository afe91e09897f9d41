"""A quick look whether data has the shape of a JSON Schema: yes, or to be looked at closely.

Takes a schema (draft-07), gives a function of data that is true only where the data is valid. Where it is false, the
data may be valid all the same: jsonschema has the last word, and says what is wrong. It costs a twentieth of
jsonschema, and rules are valid nearly always. `schema` asks it first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Check = Callable[[Any], bool]
_Maker = Callable[[Any, Mapping[str, Any], "_Schemas"], Check]

_SILENT: Final = frozenset(
    ("$schema", "title", "description", "default", "examples", "definitions", "errorMessage", "patternErrorMessage")
)
_KINDS: Final[Mapping[str, type]] = {
    "string": str,
    "array": list,
    "object": dict,
    "boolean": bool,
    "null": type(None),
}


def quick_check(schema: Mapping[str, Any]) -> Check:
    """Return the check of a whole schema."""
    return _Schemas(schema).check(schema)


class _Schemas:
    """The checks of one document of schemas, each definition's made once."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._named: dict[str, Check] = {}

    def check(self, schema: Any) -> Check:
        """Return the check of one schema within."""
        if schema is True:
            return _fits
        if not isinstance(schema, dict):
            return _unknown
        if "$ref" in schema:
            return self._referred(schema["$ref"])
        checks = []
        for keyword, value in schema.items():
            if keyword not in _SILENT and not keyword.startswith("x-"):
                maker = _MAKERS.get(keyword)
                checks.append(_unknown if maker is None else maker(value, schema, self))
        return _all(checks)

    def _referred(self, name: str) -> Check:
        if name not in self._named:
            # A schema may lead back to itself, so the name is there before its check is.
            self._named[name] = self._later(name)
            found: Any = self._root
            for step in name.removeprefix("#/").split("/"):
                found = found[int(step) if isinstance(found, list) else step]
            self._named[name] = self.check(found)
        return self._named[name]

    def _later(self, name: str) -> Check:
        def check(data: Any) -> bool:
            return self._named[name](data)

        return check


def _fits(_data: Any) -> bool:
    return True


def _unknown(_data: Any) -> bool:
    return False


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]

    def check(data: Any) -> bool:
        for each in checks:  # noqa: SIM110 - called for each value of each rule; a generator costs as much again
            if not each(data):
                return False
        return True

    return check


def _type(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    names = wanted if isinstance(wanted, list) else [wanted]
    kinds = tuple(_KINDS[name] for name in names if name in _KINDS)
    if "integer" in names or "number" in names:
        # What is no whole number by its own type is left to jsonschema: 1.0 is an integer, and true is none.
        return lambda data: type(data) is int or isinstance(data, kinds)
    return lambda data: isinstance(data, kinds)


def _at_least(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    return lambda data: not isinstance(data, int | float) or data >= wanted


def _at_most(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    return lambda data: not isinstance(data, int | float) or data <= wanted


def _enum(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    texts = frozenset(each for each in wanted if isinstance(each, str))
    return lambda data: isinstance(data, str) and data in texts


def _const(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    return lambda data: type(data) is type(wanted) and isinstance(data, bool | str) and data == wanted


def _pattern(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    search = re.compile(wanted).search
    return lambda data: isinstance(data, str) and search(data) is not None


def _least(kind: type[str | list[Any] | dict[str, Any]]) -> _Maker:
    return lambda wanted, _schema, _schemas: lambda data: not isinstance(data, kind) or len(data) >= wanted


def _most(kind: type[str | list[Any] | dict[str, Any]]) -> _Maker:
    return lambda wanted, _schema, _schemas: lambda data: not isinstance(data, kind) or len(data) <= wanted


def _unique(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    def check(data: Any) -> bool:
        if not wanted or not isinstance(data, list):
            return True
        return all(isinstance(each, str) for each in data) and len(set(data)) == len(data)

    return check


def _items(wanted: Any, _schema: Mapping[str, Any], schemas: _Schemas) -> Check:
    each = schemas.check(wanted)
    return lambda data: not isinstance(data, list) or all(map(each, data))


def _properties(wanted: Any, _schema: Mapping[str, Any], schemas: _Schemas) -> Check:
    checks = {name: schemas.check(each) for name, each in wanted.items()}

    def check(data: Any) -> bool:
        if isinstance(data, dict):
            for name, value in data.items():
                each = checks.get(name)
                if each is not None and not each(value):
                    return False
        return True

    return check


def _additional(wanted: Any, schema: Mapping[str, Any], schemas: _Schemas) -> Check:
    known = schema.get("properties", {}).keys()
    if wanted is False:
        return lambda data: not isinstance(data, dict) or data.keys() <= known
    each = schemas.check(wanted)
    return lambda data: not isinstance(data, dict) or all(each(data[name]) for name in data if name not in known)


def _names(wanted: Any, _schema: Mapping[str, Any], schemas: _Schemas) -> Check:
    each = schemas.check(wanted)
    return lambda data: not isinstance(data, dict) or all(map(each, data))


def _required(wanted: Any, _schema: Mapping[str, Any], _schemas: _Schemas) -> Check:
    names = frozenset(wanted)
    return lambda data: not isinstance(data, dict) or names <= data.keys()


def _any_of(wanted: Any, _schema: Mapping[str, Any], schemas: _Schemas) -> Check:
    checks = [schemas.check(each) for each in wanted]
    return lambda data: any(each(data) for each in checks)


_MAKERS: Final[Mapping[str, _Maker]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minimum": _at_least,
    "maximum": _at_most,
    "minLength": _least(str),
    "maxLength": _most(str),
    "minItems": _least(list),
    "maxItems": _most(list),
    "minProperties": _least(dict),
    "uniqueItems": _unique,
    "items": _items,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "required": _required,
    "anyOf": _any_of,
}
