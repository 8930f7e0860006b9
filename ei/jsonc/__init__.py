"""JSON with comments: read it, change one value and keep every other byte, write it safely.

spans    where each value of a text begins and ends, and what is wrong with a text
reading  text to value
editing  text to text, one value changed
files    read with a stamp, changed under a lock
"""

from ei.jsonc.editing import remove_value, set_value, show_path
from ei.jsonc.files import Document, Stamp, file_errors, read, stamp_of, update
from ei.jsonc.reading import loads
from ei.jsonc.spans import KeyPath, Step

__all__ = [
    "Document",
    "KeyPath",
    "Stamp",
    "Step",
    "file_errors",
    "loads",
    "read",
    "remove_value",
    "set_value",
    "show_path",
    "stamp_of",
    "update",
]
