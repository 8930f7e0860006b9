"""What was typed before."""

from __future__ import annotations

from ei.terminal.typed import Typed


async def texts(typed: Typed) -> list[str]:
    return [text async for text in typed.load()]


async def test_the_newest_comes_first_and_the_same_again_only_once() -> None:
    typed = Typed(lambda: ["old", "newer"])
    assert await texts(typed) == ["newer", "old"]
    typed.remember("newest")
    typed.remember("newest")
    assert await texts(typed) == ["newest", "newer", "old"]


async def test_what_comes_late_is_waited_for_and_not_doubled() -> None:
    answers = [[], [], ["old", "sent meanwhile"]]
    typed = Typed(lambda: answers.pop(0) if len(answers) > 1 else answers[0])
    typed.remember("sent meanwhile")
    assert await texts(typed) == ["sent meanwhile", "old"]
