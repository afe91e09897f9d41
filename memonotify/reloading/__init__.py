"""Loading rules and templates again while the daemon runs: when told to, and when the files change."""
