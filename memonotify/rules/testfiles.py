"""Finds the files of tests that belong to a configuration: the configuration in, their paths out.

`check` and `test` ask. The daemon never does, so what stands in these files cannot stop or degrade it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from memonotify.config.testfiles import SUFFIXES, is_test_file
from memonotify.config.values import Config
from memonotify.rules.loader import matched_files, rule_files, unique


def found_test_files(config: Config) -> tuple[Path, ...]:
    """Return the test files that the globs of `rules:` match, and those that lie beside a rule file; each once,
    sorted."""
    return unique(sorted([*filter(is_test_file, matched_files(config)), *_beside(rule_files(config))]))


def _beside(files: tuple[Path, ...]) -> Iterator[Path]:
    for folder in {file.parent for file in files}:
        for suffix in SUFFIXES:
            yield from folder.glob(f"*{suffix}")
