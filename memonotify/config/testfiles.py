"""Tells a file of tests from a rule file, by its name alone: a path in, yes or no out.

The loaders of the configuration and the rules ask, and so does every command that takes files. The name decides, so
that a glob such as `rules/*.yaml` may take in both, and a broken test never counts as a broken rule.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

SUFFIXES: Final = (".test.yaml", ".test.yml")


def is_test_file(path: PurePath | str) -> bool:
    """Whether a file holds nothing but `tests:`, such as `payments.test.yaml`."""
    return PurePath(path).name.endswith(SUFFIXES)
