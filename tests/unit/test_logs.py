"""Every line on stderr is one JSON object, a library's words included."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest

from memonotify import logs


@pytest.fixture
def stderr(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    kept, level = logging.root.handlers[:], logging.root.level
    yield written
    logging.root.handlers[:] = kept
    logging.root.setLevel(level)


@pytest.fixture
def lines(stderr):
    logs.configure(form="json")
    return lambda: [json.loads(line) for line in stderr.getvalue().splitlines()]


@pytest.fixture
def text(stderr):
    logs.configure(form="text")
    return stderr.getvalue


def test_a_librarys_quotes_and_line_breaks_stay_one_json_line(lines):
    logging.getLogger("library").warning('it said "no"\nand %s', "more")
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == ("library", "library", "warning")
    assert line["message"] == 'it said "no"\nand more'


def test_of_a_librarys_exception_only_type_and_place_are_told(lines):
    try:
        Path("/secret").read_bytes()
    except OSError:
        logging.getLogger("library").exception("it failed")
    (line,) = lines()
    assert line["error"] == "FileNotFoundError"
    assert "pathlib" in line["at"]
    assert "secret" not in str(line)


def test_on_a_terminal_too_only_type_and_place_of_a_librarys_exception_are_told(text):
    try:
        Path("/secret").read_bytes()
    except OSError:
        logging.getLogger("library").exception("it failed")
    first, second = text().splitlines()
    assert first == "ERROR library: it failed"
    assert second.startswith("FileNotFoundError at ")
    assert "pathlib" in second
    assert "secret" not in second
