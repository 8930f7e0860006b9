"""Finding rows of a picker by what is typed, and laying them out."""

from __future__ import annotations

import itertools

import pytest

from ei.commands.base import Choice, Chosen, Heading, Offer, Way
from ei.terminal.matcher import Matcher
from ei.terminal.numbered import SHOWN, Numbered
from ei.terminal.picker import Rows

MODELS = [
    Choice("a", "gpt-4o", "OpenAI, 128k", "openai"),
    Choice("b", "gpt-4o-mini", "OpenAI, 128k, cheap", "openai"),
    Choice("c", "gemini-2.5-pro", "Google, 1M", "google"),
    Choice("d", "claude-haiku-4-5", "Anthropic, cheap", "anthropic"),
]


def found(query: str) -> str:
    return "".join(MODELS[index].key for index in Matcher(MODELS).find(query))


def test_nothing_typed_finds_all_in_their_order() -> None:
    assert found("") == found("  ") == "abcd"


def test_words_are_found_in_labels_details_and_groups_in_any_order_and_case() -> None:
    assert found("CHEAP openai") == "b"
    assert found("google") == "c"


def test_a_label_that_begins_with_the_word_comes_first() -> None:
    assert found("gpt-4o") == "ab"
    assert found("4-5") == "d"


def test_letters_with_gaps_are_found_where_no_row_holds_the_words() -> None:
    assert found("gpt4o") == "ab"
    assert found("hku45") == "d"
    assert found("xyz") == ""


def test_typing_on_and_deleting_give_the_same_as_typing_at_once() -> None:
    matcher = Matcher(MODELS)
    for query in itertools.accumulate("gpt4om"):
        step = matcher.find(query)
        assert step == Matcher(MODELS).find(query)
    assert matcher.find("g") == Matcher(MODELS).find("g")


def test_characters_that_mean_something_to_patterns_are_plain_letters() -> None:
    assert found("2.5") == "c"
    assert found("2*5+") == ""
    assert found("[^a]") == ""


def test_the_whole_name_comes_before_longer_ones_and_what_can_be_chosen_before_what_cannot() -> None:
    choices = [
        Choice("a", "x:gpt-4o-mini"),
        Choice("b", "y:gpt-4o", dimmed="no key"),
        Choice("c", "x:gpt-4o"),
        Choice("d", "x:notgpt-4o-at-all"),
        Choice("e", "x:other", words="like gpt-4o"),
    ]
    assert "".join(choices[index].key for index in Matcher(choices).find("gpt-4o")) == "cbade"


def test_a_row_that_stands_in_two_groups_is_found_once() -> None:
    choices = [Choice("a", "gpt", group="recent"), Choice("b", "other"), Choice("a", "gpt", group="openai")]
    assert Matcher(choices).find("") == [0, 1, 2]
    assert Matcher(choices).find("gpt") == [0]


def test_gaps_are_looked_for_within_one_part_of_a_row_and_the_closest_come_first() -> None:
    choices = [Choice("a", "a-long-beginning-c"), Choice("b", "axbxc"), Choice("c", "ab", "c")]
    assert [choices[index].key for index in Matcher(choices).find("abc")] == ["b", "a"]


HEADINGS = (Heading("tier", 2), Heading("price", 1, True), Heading("can", 3, legend="t tools"))
LONG = "provider:" + "x" * 40
ROWS = [
    Choice("a", "provider:a", group="one", cells=("fast", "$3/$15", "t")),
    Choice("b", LONG, group="one", cells=("smart", "free", "tv")),
    Choice("c", "provider:none", group="two", dimmed="it has no key", cells=("", "?", "?")),
    Choice("d", "provider:\x1b[31m", detail="for\nexample", group="two"),
]


def drawn(width: int, height: int = 10) -> list[str]:
    """The rows as they are drawn, without blanks at their ends."""
    rows = Rows(Offer("title", ROWS, headings=HEADINGS))
    lines = ["".join(text for _, text in row) for row in rows.draw(width, height)]
    assert all(len(line) <= width for line in lines)
    return [rows.head(width), *(line.rstrip() for line in lines)]


def test_cells_stand_under_their_headings_and_numbers_end_at_one_place() -> None:
    assert drawn(80) == [
        " " * 54 + "tier    price  can",
        "one",
        "❯  provider:a" + " " * 41 + "fast   $3/$15  t",
        f"   {LONG}" + " " * 2 + "smart    free  tv",
        "two",
        "   provider:none" + " " * 38 + "it has no key",
        "   provider:␛[31m" + " " * 37 + "for example",
    ]


def test_where_it_is_narrow_columns_go_first_then_a_long_label_takes_their_place_and_is_cut_last() -> None:
    assert drawn(58)[0].split() == ["tier", "price"]
    assert drawn(50)[0].split() == ["price"]
    assert drawn(30)[0].split() == []
    assert drawn(65)[3].split() == [LONG, "free", "tv"]
    assert drawn(52)[3] == f"   {LONG}"
    assert drawn(30)[3] == f"   {LONG[:26]}…"


def test_what_letters_mean_is_said_as_long_as_their_column_is_there() -> None:
    rows = Rows(Offer("title", ROWS, headings=HEADINGS))
    assert (rows.legend(80), rows.legend(50)) == ("t tools", "")


def test_it_opens_on_the_current_row_or_on_what_fits_the_words_given() -> None:
    current = Rows(Offer("title", ROWS, "c", headings=HEADINGS)).chosen()
    assert current is not None
    assert current.key == "c"
    narrowed = Rows(Offer("title", ROWS, "c", query="xxx", headings=HEADINGS))
    assert [ROWS[index].key for index in narrowed.found] == ["b"]
    narrowed.narrow("nothing like it")
    assert narrowed.chosen() is None


OFFER = Offer("Pick", ROWS, "a", ways=(Way("here", "t", "this conversation"),))


@pytest.mark.parametrize(
    ("line", "chosen"),
    [
        ("2", Chosen("b")),
        ("2 here", Chosen("b", "here")),
        ("provider:a", Chosen("a")),
        ("provider:a here", Chosen("a", "here")),
        ("9", None),
        ("2 there", None),
    ],
)
def test_a_line_chooses_by_number_or_name_and_may_say_in_which_way(line: str, chosen: Chosen | None) -> None:
    assert Numbered(OFFER).answer(line) == chosen


def test_a_numbered_list_is_harmless_says_what_is_current_and_is_narrowed_by_words() -> None:
    listed = Numbered(OFFER)
    assert listed.rows() == [
        "Pick",
        "  1  provider:a  fast  $3/$15  t  (current)",
        f"  2  {LONG}  smart  free  tv",
        "  3  provider:none  ?  ?  it has no key",
        "  4  provider:␛[31m  for example",
    ]
    assert listed.answer("smart") is None
    assert listed.rows() == ["Pick", f"  1  {LONG}  smart  free  tv"]
    assert listed.answer("1") == Chosen("b")


def test_a_long_numbered_list_says_how_to_narrow_it() -> None:
    listed = Numbered(Offer("Pick", [Choice(str(number), f"model-{number}") for number in range(5000)]))
    assert listed.rows()[-1] == f"{5000 - SHOWN:,} more: words narrow the list"
    assert listed.prompt == "Number or name, words to narrow, empty to leave:"
    assert listed.answer("nothing") is None
    assert listed.rows() == ["Pick", "Nothing fits."]


def test_a_models_name_finds_the_model_before_the_tier_that_means_it_today() -> None:
    choices = [Choice("tier:fast", "tier:fast → local:tiny"), Choice("local:tiny", "local:tiny")]
    assert Matcher(choices).find("tiny") == [1, 0]
    assert Matcher(choices).find("fast") == [0]
