"""YAML text in, plain data with the place of every value out. `config` and `rules` read their files through here."""

from memonotify.yamlsource.document import Document, Path
from memonotify.yamlsource.reading import MAX_BYTES, parse, read, read_text

__all__ = ["MAX_BYTES", "Document", "Path", "parse", "read", "read_text"]
