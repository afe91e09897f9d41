"""Writes the results of tests as JUnit XML, which every CI reads: results in, a document out. Pure.

One suite per file. A test that falls short is a failure; one whose condition or message fails is an error. What could
not be looked at stands in `system-out`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from memonotify.engine.testing import TestResult

# XML has no way to write these at all.
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[TestResult], properties: Mapping[str, str]) -> bytes:
    """Return the document; every suite carries the `properties`. Durations are seconds."""
    by_file: dict[str, list[TestResult]] = {}
    for result in results:
        by_file.setdefault(result.file, []).append(result)
    root = _element("testsuites", name="memonotify", **_totals(results))
    for file, own in by_file.items():
        root.append(_suite(file, own, properties))
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(file: str, results: Sequence[TestResult], properties: Mapping[str, str]) -> ET.Element:
    suite = _element("testsuite", name=file, **_totals(results))
    told = ET.SubElement(suite, "properties")
    for name, value in properties.items():
        told.append(_element("property", name=name, value=value))
    for result in results:
        suite.append(_case(result))
    return suite


def _case(result: TestResult) -> ET.Element:
    case = _element(
        "testcase",
        name=result.name,
        classname=PurePath(result.file).name,
        file=result.file,
        line=str(result.line),
        time=_seconds([result]),
    )
    if not result.passed:
        text = "\n".join(str(shortfall) for shortfall in result.shortfalls)
        kind = "error" if _is_error(result) else "failure"
        ended = _element(kind, message=text.split("\n", 1)[0], type=result.shortfalls[0].kind)
        ended.text = _clean(text)
        case.append(ended)
    if result.notes:
        notes = ET.SubElement(case, "system-out")
        notes.text = _clean("\n".join(result.notes))
    return case


def _totals(results: Sequence[TestResult]) -> dict[str, str]:
    errors = sum(map(_is_error, results))
    failed = sum(not result.passed for result in results)
    return {
        "tests": str(len(results)),
        "failures": str(failed - errors),
        "errors": str(errors),
        "skipped": "0",
        "time": _seconds(results),
    }


def _is_error(result: TestResult) -> bool:
    return any(shortfall.kind == "error" for shortfall in result.shortfalls)


def _seconds(results: Iterable[TestResult]) -> str:
    return f"{sum(result.duration_s for result in results):.6f}"


def _element(tag: str, **attributes: str) -> ET.Element:
    return ET.Element(tag, {name: _clean(value) for name, value in attributes.items()})


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
