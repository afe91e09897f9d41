"""How a command ends: with which exit status, and with which sentence. `main` calls it.

0 done, 1 failed, 2 the configuration or the rules are wrong. A command that was called wrongly has failed: 2 tells a
script that a file needs an edit, and nothing else.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from memonotify.errors import ConfigError, MemonotifyError

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
DEBUG: Final = "MEMONOTIFY_DEBUG"
"""The environment variable that shows the traceback of an error nobody expected."""


def status_of(command: Callable[[], Any]) -> int:
    """Run a command; return the exit status of what it did or raised, and say on stderr what was raised."""
    try:
        returned = command()
        sys.stdout.flush()
    except ConfigError as error:
        from memonotify.config.problems import format_problems

        return _say(format_problems(error.problems), WRONG)
    except MemonotifyError as error:
        return _say(f"memonotify: {error}")
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return _say("memonotify: ended before it was done")
    except BrokenPipeError:
        # Whoever read the output has enough of it. What is buffered must not fail once more at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _say(f"memonotify: {_system_error(error)}")
    except Exception as error:  # noqa: BLE001 - whatever it is, a person is owed a sentence
        return _unexpected(error)
    return returned if isinstance(returned, int) else DONE


def _say(sentence: str, status: int = FAILED) -> int:
    click.echo(sentence, err=True)
    return status


def _system_error(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def _unexpected(error: Exception) -> int:
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exception(error)
        return FAILED
    # Not the error's text: it may hold what nobody has looked through for secrets.
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return _say(f"memonotify: an error nobody expected: {type(error).__name__}{place}. {DEBUG}=1 shows where it began")
