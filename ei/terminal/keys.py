"""What each key does on the input line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from prompt_toolkit.application.current import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import (
    Condition,
    completion_is_selected,
    emacs_mode,
    has_completions,
    has_focus,
    vi_insert_mode,
    vi_navigation_mode,
)
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys

_ALT_SECONDS = 0.05
"""Alt-Enter arrives as Escape and Enter; a person cannot press these two so fast."""

ALONE_SECONDS = 0.6
"""How long a y or n stands alone before it answers a card."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What keys lead to. takes_answers: whether y and n answer a card now."""

    submit: Callable[[], None]
    interrupt: Callable[[], None]
    leave: Callable[[], None]
    picker: Callable[[], None]
    editor: Callable[[], None]
    clear: Callable[[], None]
    suspend: Callable[[], None]
    paste: Callable[[str], None]
    answer: Callable[[bool], object]
    takes_answers: Callable[[], bool]


def input_bindings(buffer: Buffer, actions: Actions, *, ctrl_j_sends: bool) -> KeyBindings:
    """The keys of the input line; all others are prompt_toolkit's own."""
    keys = KeyBindings()
    here = has_focus(buffer)
    empty = Condition(lambda: not buffer.text)
    answering = Condition(actions.takes_answers)
    escape_pressed = [0.0]

    def newline() -> None:
        buffer.newline(copy_margin=False)

    def enter() -> None:
        if buffer.document.is_cursor_at_the_end and buffer.text.endswith("\\"):
            buffer.delete_before_cursor()
            newline()
        else:
            actions.submit()

    @keys.add("enter", filter=here)
    def _(event: KeyPressEvent) -> None:
        navigating = event.app.editing_mode == EditingMode.VI and event.app.vi_state.input_mode == InputMode.NAVIGATION
        if navigating and time.monotonic() - escape_pressed[0] < _ALT_SECONDS:
            event.app.vi_state.input_mode = InputMode.INSERT
            buffer.cursor_position += int(not buffer.document.is_cursor_at_the_end_of_line)
            newline()
        else:
            enter()

    @keys.add("enter", filter=here & completion_is_selected, eager=True)
    def _(event: KeyPressEvent) -> None:
        buffer.complete_state = None

    @keys.add("escape", "enter", filter=here & emacs_mode)
    def _(event: KeyPressEvent) -> None:
        newline()

    @keys.add("c-j", filter=here)
    def _(event: KeyPressEvent) -> None:
        if ctrl_j_sends:
            enter()
        else:
            newline()

    @keys.add("escape", filter=here & vi_insert_mode)
    def _(event: KeyPressEvent) -> None:
        escape_pressed[0] = time.monotonic()
        buffer.cancel_completion()
        buffer.cursor_position += buffer.document.get_cursor_left_position()
        event.app.vi_state.input_mode = InputMode.NAVIGATION

    @keys.add("c-c", filter=here)
    @keys.add("<sigint>", filter=here)
    def _(event: KeyPressEvent) -> None:
        if buffer.complete_state is not None:
            buffer.cancel_completion()
        else:
            actions.interrupt()

    @keys.add("c-d", filter=here & empty)
    def _(event: KeyPressEvent) -> None:
        actions.leave()

    # An answer is y or n and then nothing for a moment: who goes on typing began a message, and loses nothing.
    def answers_alone(event: KeyPressEvent) -> None:
        key = event.data
        buffer.insert_text(key)

        def look() -> None:
            if buffer.text == key and actions.takes_answers():
                buffer.reset()
                actions.answer(key in "yY")

        asyncio.get_running_loop().call_later(ALONE_SECONDS, look)

    for key in "yYnN":
        keys.add(key, filter=here & empty & answering, eager=True)(answers_alone)

    @keys.add("f2", filter=here)
    def _(event: KeyPressEvent) -> None:
        actions.picker()

    @keys.add("c-x", "c-e", filter=here)
    @keys.add("v", filter=here & vi_navigation_mode)
    def _(event: KeyPressEvent) -> None:
        actions.editor()

    @keys.add("tab", filter=here & (emacs_mode | vi_insert_mode))
    def _(event: KeyPressEvent) -> None:
        if buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    @keys.add("s-tab", filter=here & has_completions)
    def _(event: KeyPressEvent) -> None:
        buffer.complete_previous()

    @keys.add("c-l")
    def _(event: KeyPressEvent) -> None:
        actions.clear()

    @keys.add("c-z")
    def _(event: KeyPressEvent) -> None:
        actions.suspend()

    @keys.add(Keys.BracketedPaste, filter=here)
    def _(event: KeyPressEvent) -> None:
        actions.paste(event.data)

    return keys


def vi_mode() -> str:
    """ "insert", "normal", "replace" while vi keys are on, "" otherwise."""
    app = get_app()
    if app.editing_mode != EditingMode.VI:
        return ""
    if app.vi_state.input_mode == InputMode.NAVIGATION:
        return "normal"
    return "replace" if app.vi_state.input_mode in (InputMode.REPLACE, InputMode.REPLACE_SINGLE) else "insert"
