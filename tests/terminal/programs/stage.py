"""A screen with a small show behind it, driven by the words typed on its input line."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ei.commands.base import Choice, Line, Page, Reply, Table
from ei.errors import EiError
from ei.terminal import pager
from ei.terminal.linescreen import LineScreen
from ei.terminal.screen import Screen
from ei.terminal.theme import theme
from ei.terminal.ui import TerminalUi


class Stage:
    """Answers `WORD ARGUMENTS` with the method of that name; anything else is said back."""

    def __init__(self, options: Sequence[str]) -> None:
        self.streaming = False
        self.after: list[str] = []
        self.at_end: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()
        make: Callable[..., Any] = LineScreen if "lines" in options else Screen
        self.screen: Screen = make(
            prompt=lambda: [("class:prompt", "you> ")],
            toolbar=lambda width: [("class:toolbar", f"toolbar {width}")],
            on_submit=self.submit,
            on_interrupt=self.interrupt,
            on_picker=lambda: self.start(self.pick("7")),
            on_error=lambda error: self.screen.commit([f"error: {error!r}"]),
            complete=complete,
            history=lambda: ["first old line", "second old line"],
            editing_mode="vi" if "vi" in options else "emacs",
            ctrl_j="send" if "ctrl-j-sends" in options else "newline",
            editor=os.environ.get("EDITOR"),
            reflows="cuts" not in options,
        )

    def submit(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        act: Callable[[str], object] | None = getattr(self, f"do_{word.strip('/')}", None)
        if act is None:
            self.screen.commit([f"sent {text!r}"])
        else:
            act(rest)

    def interrupt(self) -> bool:
        stopped, self.streaming = self.streaming, False
        if stopped:
            self.screen.commit(["stopped"])
        return stopped

    def start(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(self.report(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def report(self, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except EiError as error:
            self.screen.commit([f"{type(error).__name__}: {error}"])

    def do_quit(self, _: str) -> None:
        self.screen.exit()

    def do_fail(self, _: str) -> None:
        raise RuntimeError("on purpose")

    def do_queue(self, rest: str) -> None:
        self.screen.set_queued(rest.split(","))

    def do_tail(self, rest: str) -> None:
        count = int(rest)
        self.screen.set_tail((lambda width: [f"tail {n}" for n in range(count)]) if count else None)

    def do_stream(self, rest: str) -> None:
        blocks, rows = (int(n) for n in rest.split())
        self.start(self.stream(blocks, rows))

    def do_card(self, rest: str) -> None:
        self.start(self.card(rest))

    def do_ask(self, rest: str) -> None:
        self.start(self.ask(rest, secret=False))

    def do_secret(self, rest: str) -> None:
        self.start(self.ask(rest, secret=True))

    def do_pick(self, rest: str) -> None:
        self.start(self.pick(rest))

    def do_browse(self, _: str) -> None:
        self.start(self.browse())

    def do_edit(self, rest: str) -> None:
        self.start(self.edit(rest))

    def do_work(self, rest: str) -> None:
        self.start(self.work(float(rest)))

    def do_background(self, _: str) -> None:
        self.start(self.ask_background())

    async def ask_background(self) -> None:
        self.screen.commit([f"background {await self.screen.background()}"])

    def do_ui(self, rest: str) -> None:
        self.start(self.through_ui(rest))

    async def through_ui(self, what: str) -> None:
        """The same through the Ui that commands get."""
        ui = TerminalUi(self.screen, theme)
        match what:
            case "confirm":
                answer: object = await ui.confirm("Really\x1b[31m?", ["It costs \x07 much."])
            case "choose":
                answer = await ui.choose("Pick", [Choice("a", "al\x1bpha", "de\x07tail", dimmed="no key")])
            case "browse":
                answer = await ui.browse("Variants", [Page("one", "# First"), Page("two", "**second**")], 0)
            case "ask":
                answer = await ui.ask("Name?", "Nina")
            case "progress":
                with ui.progress("loading") as progress:
                    progress.update("half")
                    await asyncio.sleep(0.5)
                answer = "loaded"
            case _:
                ui.show(Reply((Line("a line", "warn"), Table(("name",), (("lena",),), current=0))))
                answer = ui.interactive
        self.screen.commit([f"ui {answer}"])

    def do_commit(self, rest: str) -> None:
        self.screen.commit([rest])

    def do_bulk(self, rest: str) -> None:
        self.screen.commit([f"bulk {n}" for n in range(int(rest))])

    def do_wide(self, rest: str) -> None:
        count = int(rest)
        self.screen.set_tail(lambda width: [f"wide {n} ".ljust(width, ".") for n in range(count)])

    def do_emoji(self, _: str) -> None:
        rows = ["heart ❤️ family 👨‍👩‍👧 flag 🇩🇪 中文 " + "é" * n for n in range(5)]
        self.screen.set_tail(lambda width: rows)

    def do_grow(self, rest: str) -> None:
        self.start(self.grow(int(rest)))

    def do_soon(self, rest: str) -> None:
        asyncio.get_running_loop().call_later(0.4, self.submit, rest)

    def do_later(self, _: str) -> None:
        self.after = ["after"]
        self.at_end = ["at the end"]

    async def grow(self, count: int) -> None:
        """Ten rows that stay and one that changes."""
        last = ["grown"]
        self.screen.set_tail(lambda width: [*(f"steady {n}" for n in range(10)), last[0]])
        for n in range(count):
            last[0] = f"grown {n}"
            await asyncio.sleep(0.003)

    async def stream(self, blocks: int, rows: int) -> None:
        """Each block grows in the tail row by row and is then committed."""
        self.streaming = True
        shown: list[str] = []
        self.screen.set_tail(lambda width: [row[:width] for row in shown])
        for block in range(blocks):
            for row in range(rows):
                if not self.streaming:
                    break
                shown.append(f"block {block} row {row} " + "x" * (block * 7 % 60))
                await asyncio.sleep(0.004)
            if not self.streaming:
                break
            self.screen.commit(shown)
            shown = []
        self.screen.set_tail(None)
        self.streaming = False
        self.screen.commit(["stream ended"])

    async def card(self, rest: str) -> None:
        answer = await self.screen.confirm(f"Really {rest}?", ["It cannot be undone."])
        self.screen.commit([f"{rest}: {answer}"])

    async def ask(self, rest: str, *, secret: bool) -> None:
        answer = await (self.screen.secret(rest) if secret else self.screen.ask(rest, "default"))
        self.screen.commit([f"answer {answer!r}"])

    async def pick(self, current: str) -> None:
        choices = [Choice(str(n), f"model-{n}", f"detail {n * n}", f"group {n // 10}") for n in range(50)]
        self.screen.commit([f"picked {await self.screen.choose('Pick one', choices, current)}"])

    async def browse(self) -> None:
        pages = [pager.Page(f"page {n}", [f"\x1b[1mrow {row}\x1b[0m of {n}" for row in range(60)]) for n in range(3)]
        self.screen.commit([f"browsed {await self.screen.browse(pages, 1)}"])

    async def edit(self, text: str) -> None:
        self.screen.commit([f"edited {await self.screen.edit(text)!r}"])

    async def work(self, seconds: float) -> None:
        with self.screen.status("working") as status:
            await asyncio.sleep(seconds / 2)
            status.update("half done")
            await asyncio.sleep(seconds / 2)
        self.screen.commit(["work done"])


def complete(before: str) -> list[tuple[str, str, int]]:
    """Commands at the start of the line."""
    words = {"/model": "its model", "/mood": "its mood", "/persona": "who talks"}
    return [(word, meaning, 0) for word, meaning in words.items() if before and word.startswith(before)]


async def main() -> None:
    stage = Stage(sys.argv[1:])
    stage.screen.commit(["welcome"])
    await stage.screen.run()
    stage.screen.commit(stage.at_end)
    print("left in order", flush=True)
    stage.screen.commit(stage.after)


if __name__ == "__main__":
    asyncio.run(main())
