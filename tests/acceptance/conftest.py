"""The fixtures of `daemonparts`, for every acceptance test."""

from daemonparts import bank, credentials, make_daemon, receivers

__all__ = ["bank", "credentials", "make_daemon", "receivers"]
