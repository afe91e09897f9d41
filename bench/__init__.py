"""Measures memonotify against bare loops that do the same work without it. Run by `make bench`, never as a test."""
