"""`memonotify completion`: the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from memonotify.cli.options import example
from memonotify.errors import MemonotifyError


@click.command(
    epilog=example(
        'eval "$(memonotify completion bash)"        # in ~/.bashrc',
        'eval "$(memonotify completion zsh)"         # in ~/.zshrc',
        "memonotify completion fish > ~/.config/fish/completions/memonotify.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click knows these three
        raise MemonotifyError(f"{shell} is not supported")
    click.echo(kind(ctx.find_root().command, {}, "memonotify", "_MEMONOTIFY_COMPLETE").source())
