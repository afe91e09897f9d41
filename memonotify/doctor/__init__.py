"""Looks at everything memonotify depends on, and says of each whether it is well or what to do. Sends nothing."""
