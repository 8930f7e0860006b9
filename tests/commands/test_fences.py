"""Code blocks as they are pasted."""

from __future__ import annotations

import pytest

from ei.commands.fences import code_blocks


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("no code", []),
        ("a\n```python\nprint(1)\n```\nb\n~~~\nx\n~~~", ["print(1)\n", "x\n"]),
        ("```\nnot closed\n  yet", ["not closed\n  yet\n"]),
        ("````md\n```\ninner\n```\n````", ["```\ninner\n```\n"]),
        ("1. First:\n   ```sh\n   ls\n     -l\n   ```\n", ["ls\n  -l\n"]),
        ("- ```\n  in a bullet\n  ```", ["in a bullet\n"]),
        ("> ```\n> quoted\n> ```", ["quoted\n"]),
        ("```\n```", [""]),
        ("`inline` and ``two``\n```x``` is inline too", []),
        ("\t```\n\tdeep\n\t```", ["deep\n"]),
        ("```\r\nwindows\r\n```\r\n", ["windows\n"]),
    ],
)
def test_what_stands_between_fences_without_decoration(text: str, blocks: list[str]) -> None:
    assert code_blocks(text) == blocks
