"""Streams words as fast as a quick model and echoes keys meanwhile: `screen` as ei draws, `rich` as a Live does.

Usage: python -m tests.terminal.programs.streaming (screen|rich) TOKENS_PER_SECOND SECONDS
At its end it prints "cpu SECONDS" of its own processor time while streaming.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Iterator

PARAGRAPH = (
    "Once a **puddle** held the whole street `upside down` and nobody minded, because the lamps\nlooked better there. "
)


def tokens() -> Iterator[str]:
    """Markdown without end: paragraphs, a list and a fenced block, a word at a time."""
    for number in itertools.count(1):
        code = f"```python\ndef part():\n    return {number}\n```"
        text = f"# Part {number}\n\n{PARAGRAPH * 3}\n\n- one\n- two\n\n{code}\n\n"
        word = ""
        for char in text:
            word += char
            if char in " \n":
                yield word
                word = ""


async def on_screen(rate: int, seconds: float) -> None:
    """What ei does: finished blocks are committed, the tail is polled."""
    from ei.terminal.markdown import MarkdownStream
    from ei.terminal.screen import Screen
    from ei.terminal.theme import theme

    screen = Screen(
        prompt=lambda: [("bold", "you> ")],
        toolbar=lambda width: [("class:toolbar", "toolbar".ljust(width))],
        on_submit=lambda text: None,
    )

    async def stream() -> None:
        markdown = MarkdownStream(screen.columns, theme())
        screen.set_tail(lambda width: markdown.tail())
        words = tokens()
        start, cpu = time.monotonic(), time.process_time()
        sent = 0
        while (now := time.monotonic() - start) < seconds:
            while sent < now * rate:
                # Each token by itself, as a server sends them.
                rows = markdown.feed(next(words))
                if rows:
                    screen.commit(rows)
                sent += 1
            await asyncio.sleep(0.002)
        spent = time.process_time() - cpu
        screen.set_tail(None)
        screen.commit([f"cpu {spent:.3f} tokens {sent}"])

    task = asyncio.get_running_loop().create_task(stream())
    await screen.run()
    task.cancel()


def with_rich(rate: int, seconds: float) -> None:
    """What a simple program does: a Live with the Markdown of everything so far, and what is typed under it."""
    import select
    import tty

    from rich.console import Console, Group
    from rich.live import Live
    from rich.markdown import Markdown
    from rich.text import Text

    tty.setraw(0)
    console = Console()
    words = tokens()
    text, typed, sent = "", "", 0
    start, cpu = time.monotonic(), time.process_time()
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        live.update(Text("you> toolbar"), refresh=True)
        while (now := time.monotonic() - start) < seconds:
            while sent < now * rate:
                text += next(words)
                sent += 1
            if select.select([0], [], [], 0)[0]:
                typed += os.read(0, 99).decode()
            live.update(Group(Markdown(text), Text(f"you> {typed}"), Text("toolbar")), refresh=True)
            time.sleep(max(0.0, 0.05 - (time.monotonic() - start - now)))
    print(f"\r\ncpu {time.process_time() - cpu:.3f} tokens {sent}\r\n", flush=True)
    time.sleep(1)


if __name__ == "__main__":
    kind, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    if kind == "screen":
        asyncio.run(on_screen(rate, seconds))
    else:
        with_rich(rate, seconds)
