"""What is drawn under the tail: cards, queued messages, the input line, the menu, the toolbar."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, has_completions
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_width
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.containers import ConditionalContainer, HSplit, VerticalAlign, VSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import HighlightIncrementalSearchProcessor, HighlightSelectionProcessor
from prompt_toolkit.layout.processors import TabsProcessor as _Tabs
from prompt_toolkit.widgets import SearchToolbar

from ei.terminal.cards import BAR
from ei.terminal.folds import FoldProcessor, Folds
from ei.terminal.forms import Question

Fragments = Callable[[], StyleAndTextTuples]

STYLE: Mapping[str, str] = {
    "prompt": "bold",
    "fold": "reverse",
    "card.question": "bold",
    "card.detail": "",
    "card.key": "bold",
    "card.keys": "ansibrightblack",
    "queued": "ansibrightblack",
    "status": "ansibrightblack",
    "toolbar": "ansibrightblack",
    "hint": "bold",
    "form.prompt": "bold",
    "form.keys": "ansibrightblack",
    "form.label": "",
    "form.example": "ansibrightblack",
    "form.save": "bold",
    "form.problem": "bold",
    "picker.title": "bold",
    "picker.group": "bold underline",
    "picker.selected": "reverse",
    "picker.dimmed": "ansibrightblack",
    "picker.keys": "ansibrightblack",
    "pager.title": "bold",
    "pager.keys": "ansibrightblack",
    "completion-menu": "bg:default",
    "completion-menu.completion": "bg:default fg:default",
    "completion-menu.completion.current": "reverse",
    "completion-menu.meta.completion": "bg:default ansibrightblack",
    "completion-menu.meta.completion.current": "reverse",
    "scrollbar.background": "bg:default",
    "scrollbar.button": "reverse",
}
"""Names of styles and what they are where the theme says nothing."""


def build_layout(
    *,
    buffer: Buffer,
    bindings: KeyBindings,
    form: Question,
    folds: Folds,
    prompt: Fragments,
    cards: Fragments,
    status: Fragments,
    queued: Fragments,
    toolbar: Fragments,
    rows: Callable[[], int],
) -> Layout:
    """The layout. rows: the height of the terminal; the input line takes at most half of it."""
    search = SearchToolbar(ignore_case=True)

    def prefix(line: int, wrapped: int) -> StyleAndTextTuples:
        first = prompt()
        return first if line == 0 and wrapped == 0 else [("", " " * fragment_list_width(first))]

    def input_height() -> Dimension:
        return Dimension(min=1, max=max(rows() // 2, 1))

    line = Window(
        BufferControl(
            buffer,
            input_processors=[
                _Tabs(tabstop=4, char1=" ", char2=" "),
                HighlightIncrementalSearchProcessor(),
                HighlightSelectionProcessor(),
                FoldProcessor(folds),
            ],
            search_buffer_control=search.control,
            preview_search=True,
            include_default_input_processors=False,
            key_bindings=bindings,
        ),
        height=input_height,
        wrap_lines=True,
        dont_extend_height=True,
        get_line_prefix=prefix,
        style="class:input",
    )
    typing = ConditionalContainer(
        HSplit(
            [
                line,
                ConditionalContainer(
                    VSplit([CompletionsMenu(max_height=8, scroll_offset=1), Window(height=Dimension(min=0))]),
                    filter=has_completions,
                ),
                search,
            ]
        ),
        filter=Condition(lambda: not form.active),
    )
    return Layout(
        HSplit(
            [
                _block(cards, bar=[("class:card.bar", BAR)]),
                _block(status),
                _block(queued),
                form.container,
                typing,
                Window(FormattedTextControl(toolbar), height=1, dont_extend_height=True, style="class:toolbar"),
            ],
            align=VerticalAlign.TOP,
        ),
        focused_element=line,
    )


def _block(fragments: Fragments, bar: StyleAndTextTuples | None = None) -> ConditionalContainer:
    """Rows that are there while there is something to say; they give way when the terminal is low."""
    window = Window(
        FormattedTextControl(fragments),
        height=Dimension(min=0),
        wrap_lines=True,
        dont_extend_height=True,
        get_line_prefix=(lambda line, wrapped: bar) if bar else None,
    )
    return ConditionalContainer(window, filter=Condition(lambda: bool(fragments())))
