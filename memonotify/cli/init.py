"""`memonotify init`: a first configuration that checks and whose tests pass."""

from __future__ import annotations

from pathlib import Path

import click

from memonotify.cli.options import example
from memonotify.errors import MemonotifyError


@click.command(
    epilog=example(
        "memonotify init /etc/memonotify",
        "memonotify init --language fr alerts",
        "memonotify init --channel mail --channel slack alerts",
    )
)
@click.option(
    "--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="What the messages speak."
)
@click.option(
    "--channel",
    "kinds",
    type=click.Choice(["mail", "slack", "http"]),
    multiple=True,
    help="What you have; may be given again.  [default: all three]",
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def init(language: str, kinds: tuple[str, ...], folder: Path) -> None:
    """Write a commented configuration, first rules with tests, and mail templates into DIR.

    With --channel, only for the channels that you have. Nothing that is there already is overwritten.
    """
    from memonotify.cli.firstfiles import CHANNELS, first_files

    made = [(folder / name, text) for name, text in first_files(language, kinds or tuple(CHANNELS))]
    taken = [target for target, _ in made if target.exists()]
    if taken:
        raise MemonotifyError(f"{taken[0]} is there already; init overwrites nothing. Choose another folder")
    for target, text in made:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    (folder / "environment").chmod(0o600)
    _say(folder, [target for target, _ in made])


def _say(folder: Path, files: list[Path]) -> None:
    for file in files:
        click.echo(f"wrote {file}")
    click.echo(
        f"""
What is next:
  1. Put your values into {folder / "config.yaml"} and {folder / "environment"},
     and the key of your certificate at the bank into {folder / "secrets" / "acme.pem"}.
  2. memonotify check -c {folder / "config.yaml"} --no-secrets
  3. memonotify test -c {folder / "config.yaml"}
  4. memonotify serve -c {folder / "config.yaml"}"""
    )
