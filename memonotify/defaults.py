"""Where the shipped rules, templates and example configuration stand: in the package, or in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder: `rules` or `config.example.yaml`."""
    packaged = _PACKAGE / "shipped" / name
    return packaged if packaged.exists() else _PACKAGE.parent / name
