"""`python -m memonotify` is the command `memonotify`."""

from memonotify.cli import main

main()
