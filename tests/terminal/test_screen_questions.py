"""Cards, forms and full-screen pages, on a pseudo-terminal."""

from __future__ import annotations

import time

from ei.terminal.cards import GRACE_SECONDS
from ei.terminal.keys import ALONE_SECONDS
from tests.terminal.stages import count, enter, input_line, stage


def test_a_card_is_answered_by_a_key_on_an_empty_line() -> None:
    with stage() as terminal:
        enter(terminal, "card delete")
        terminal.wait_for("Really delete?")
        terminal.wait_for("It cannot be undone.")
        time.sleep(GRACE_SECONDS + 0.1)
        terminal.press("y")
        terminal.wait_for("delete: True")
        assert count(terminal, "Really delete?") == 0
        assert input_line(terminal) == "you>"


def test_typing_goes_on_while_a_card_waits_and_a_typed_answer_settles_it() -> None:
    with stage() as terminal:
        enter(terminal, "card delete")
        terminal.wait_for("Really delete?")
        enter(terminal, "many other words, say yes or no")
        terminal.wait_for("sent 'many other words, say yes or no'")
        terminal.wait_for("Really delete?")
        enter(terminal, "/no")
        terminal.wait_for("delete: False")


def test_a_key_that_was_on_its_way_does_not_answer_a_card() -> None:
    with stage() as terminal:
        enter(terminal, "card delete")
        terminal.type("yellow")
        terminal.wait_for("you> yellow")
        terminal.wait_for("Really delete?")


def test_a_word_that_begins_with_y_does_not_answer_a_card() -> None:
    with stage() as terminal:
        enter(terminal, "card delete")
        terminal.wait_for("Really delete?")
        time.sleep(GRACE_SECONDS + 0.1)
        terminal.type("you know")
        time.sleep(ALONE_SECONDS + 0.3)
        terminal.wait_for("you> you know")
        terminal.wait_for("Really delete?")


def test_cards_queue() -> None:
    with stage() as terminal:
        enter(terminal, "card first")
        enter(terminal, "card second")
        terminal.wait_for("1 more after this")
        enter(terminal, "/yes")
        terminal.wait_for("first: True")
        terminal.wait_for("Really second?")
        time.sleep(GRACE_SECONDS + 0.1)
        terminal.press("n")
        terminal.wait_for("second: False")


def test_a_form_takes_the_place_of_the_input_line_and_the_half_typed_line_comes_back() -> None:
    with stage() as terminal:
        enter(terminal, "soon ask Name?")
        terminal.type("half typed")
        terminal.wait_for("Name? default")
        assert input_line(terminal) == ""
        terminal.press("ctrl-u")
        enter(terminal, "Nina")
        terminal.wait_for("answer 'Nina'")
        terminal.wait_for("you> half typed")
        terminal.type(" line")
        terminal.wait_for("you> half typed line")


def test_escape_and_ctrl_c_leave_a_form() -> None:
    with stage() as terminal:
        for key in ("escape", "ctrl-c"):
            enter(terminal, "ask Name?")
            terminal.wait_for("Name? default")
            terminal.press(key)
            terminal.wait_for("CancelledError")
            terminal.wait_for("you>")
            terminal.press("ctrl-l")
            terminal.wait_for(lambda t: not any("Cancelled" in line for line in t.screen))


def test_a_secret_is_not_shown_unless_asked_for() -> None:
    with stage() as terminal:
        enter(terminal, "secret Key?")
        terminal.wait_for("Key?")
        terminal.type("hush")
        terminal.wait_for("Key? ••••")
        terminal.press("ctrl-t")
        terminal.wait_for("Key? hush")
        terminal.press("ctrl-t")
        terminal.wait_for("Key? ••••")
        terminal.press("enter")
        terminal.wait_for("answer 'hush'")


def test_a_stream_goes_on_while_a_form_waits() -> None:
    with stage() as terminal:
        enter(terminal, "stream 20 3")
        enter(terminal, "ask Name?")
        terminal.wait_for("Name? default")
        terminal.wait_for("stream ended")
        assert "Name? default" in terminal.screen


def test_f2_opens_the_picker_on_the_current_row_and_typing_narrows_it() -> None:
    with stage() as terminal:
        terminal.type("half")
        terminal.press("f2")
        terminal.wait_for("Pick one")
        terminal.wait_for("❯● model-7")
        assert terminal.alternate
        terminal.type("el-42 group")
        terminal.wait_for("1 of 50")
        terminal.press("enter")
        terminal.wait_for("picked 42")
        assert not terminal.alternate
        assert input_line(terminal) == "you> half"


def test_the_picker_moves_by_rows_and_pages_shows_groups_and_is_left_by_escape() -> None:
    with stage() as terminal:
        enter(terminal, "pick 0")
        terminal.wait_for("❯● model-0")
        assert "group 0" in terminal.screen
        terminal.press("page-down", "page-down", "down")
        terminal.wait_for("❯  model-25")
        assert "group 2" in terminal.screen
        terminal.press("up")
        terminal.wait_for("❯  model-24")
        terminal.press("escape")
        terminal.wait_for("picked None")


def test_a_stream_that_goes_on_behind_the_picker_is_complete_afterwards() -> None:
    with stage() as terminal:
        enter(terminal, "stream 30 3")
        terminal.wait_for("block 3")
        terminal.press("f2")
        terminal.wait_for("Pick one")
        time.sleep(0.8)
        assert not any("block" in line for line in terminal.screen)
        terminal.press("escape")
        terminal.wait_for("stream ended")
        blocks = [line.split(" x")[0] for line in terminal.everything if line.startswith("block")]
        assert blocks == [f"block {block} row {row}" for block in range(30) for row in range(3)]


def test_pages_are_scrolled_turned_and_chosen() -> None:
    with stage() as terminal:
        enter(terminal, "browse")
        terminal.wait_for("page 1 2 of 3")
        terminal.wait_for("row 0 of 1")
        terminal.press("page-down")
        terminal.wait_for("row 13 of 1")
        terminal.press("end")
        terminal.wait_for("row 59 of 1")
        terminal.press("right")
        terminal.wait_for("row 0 of 2")
        terminal.press("right")
        terminal.wait_for("row 0 of 0")
        terminal.press("enter")
        terminal.wait_for("browsed 0")


def test_a_text_is_edited_and_an_unchanged_one_is_told_apart() -> None:
    with stage(env={"EDITOR": "true"}) as terminal:
        enter(terminal, "edit some text")
        terminal.wait_for("edited None")


def test_leaving_while_a_question_waits_ends_it() -> None:
    with stage() as terminal:
        enter(terminal, "card delete")
        terminal.wait_for("Really delete?")
        terminal.press("ctrl-d")
        assert terminal.wait_exit() == 0


def test_ctrl_c_on_an_empty_line_answers_no() -> None:
    with stage() as terminal:
        enter(terminal, "card delete")
        terminal.wait_for("Really delete?")
        terminal.press("ctrl-c")
        terminal.wait_for("delete: False")


def test_a_long_question_breaks_between_words() -> None:
    words = "whether somebody wrote every single paragraph of this by hand"
    with stage(columns=40) as terminal:
        enter(terminal, f"card {words}")
        terminal.wait_for("/no)")
        shown = [row.removeprefix("▌ ").strip() for row in terminal.screen if row.startswith("▌ ")]
        assert shown[:2] == ["Really whether somebody wrote every", "single paragraph of this by hand?"]
        enter(terminal, "/no")
        terminal.wait_for("False")
