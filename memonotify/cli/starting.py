"""What `serve` starts with: configuration and rules, and of a rule file that is wrong the last good version.

In: the configuration's path. Out: a configuration and what is in force, or every problem where a file has no good
version at all. The store is only read, and only where a file is wrong.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from memonotify.errors import ConfigError, Problem, StoreUnavailable, StoreUnusable

if TYPE_CHECKING:
    from memonotify.config.loader import LoadedConfig
    from memonotify.config.values import Config
    from memonotify.model import KeptFile
    from memonotify.rules.versions import InForce


def load_to_serve(path: Path | None, *, node: str | None) -> tuple[LoadedConfig, InForce]:
    """Load configuration and rules; `node` is this node's name on a store that several share, by default the machine's.

    Raises:
        ConfigError: the configuration is wrong, or a rule file that has no good version; with every problem.
        StoreUnavailable: a rule file is wrong, and its last good version cannot be read now.
    """
    from memonotify.config.loader import find_config, read_config
    from memonotify.config.problems import in_order
    from memonotify.rules.inforce import load, restored

    read = read_config(find_config(path), environ=os.environ, resolve=True, rules_may_be_gone=True)
    if read.loaded is None:
        raise ConfigError(read.problems)
    config = read.loaded.config
    in_force = load(config)
    if read.problems:
        raise ConfigError(in_order([*read.problems, *in_force.problems]))
    if in_force.refused or not in_force.versions:
        try:
            kept = asyncio.run(_kept(config, node or socket.gethostname()))
        except StoreUnavailable as error:
            if not in_force.problems:
                return read.loaded, in_force
            wrong = "\n".join(map(str, in_force.problems))
            raise StoreUnavailable(f"{wrong}\nthe last good versions cannot be read now: {error}") from error
        in_force = load(config, restored(kept, config))
        is_without = bool(in_force.problems) and not in_force.versions
        if is_without or not all(refused.has_version for refused in in_force.refused):
            raise ConfigError(in_force.problems)
    return read.loaded, in_force


def start_notes(config: Config, in_force: InForce) -> tuple[Problem, ...]:
    """Return what is doubtful in the rules."""
    from memonotify.rules.notes import unhandled_event_types

    unhandled = unhandled_event_types(in_force.ruleset, config)
    return (*in_force.notes, *([unhandled] if unhandled is not None else []))


async def _kept(config: Config, node: str) -> list[KeptFile]:
    """Return the last good versions: this node's own, and of a file that it never had, the newest of another node."""
    from memonotify.clock import SystemClock
    from memonotify.store.store import Store

    store = Store(config.store, clock=SystemClock())
    if not store.exists():
        return []
    name = node if store.is_shared else ""
    try:
        await store.open(read_only=True)
        return [*await store.kept_files(name), *await store.files_kept_elsewhere(name)]
    except StoreUnusable:
        # Not made yet, of an older version, or damaged: the start itself says so once the files are right.
        return []
    finally:
        await store.close()
