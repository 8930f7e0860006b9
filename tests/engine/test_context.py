"""The persona's prompt, the path as request messages, and what fits."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ei.conversations.values import Message, State
from ei.engine.context import Fitted, display_name, fit, note_for, system_prompt, to_messages, tokens_of
from ei.messages import (
    BlobPart,
    ChatMessage,
    OpaquePart,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ei.personas.values import Concept, ConceptType, Persona

NOON = datetime(2026, 11, 20, 12, 30)


def concept(name: str, type: ConceptType, current: float = 0.5, ideal: float = 0.5, sentiment: float = 0.0) -> Concept:
    return Concept(name.lower(), name, f"about {name}", type, current, ideal, sentiment)


def persona(name: str = "lena", *concepts: Concept, short: str = "A storyteller.", long: str = "You tell.") -> Persona:
    return Persona(name, Path(name), short_description=short, long_description=long, concepts=concepts)


def message(
    key: int,
    role: Role,
    text: str | tuple[Part, ...],
    author: str = "",
    to: str = "",
    state: State = State.COMPLETE,
) -> Message:
    parts = (TextPart(text),) if isinstance(text, str) else text
    return Message(key, f"id{key}", "c", None, key, role, author, state, parts, 0, to=to)


def said(*messages: ChatMessage) -> list[tuple[str, str]]:
    return [(m.role, m.text) for m in messages]


class TestNotes:
    @pytest.mark.parametrize(
        ("written", "note"),
        [
            (None, ""),
            ("For all.", "For all."),
            ({}, ""),
            ({"anthropic": "Provider."}, "Provider."),
            ({"Claude": "Alias.", "sonnet": "Other."}, "Alias."),
            ({"HAIKU": "Family."}, "Family."),
            ({"anthropic": "Provider.", "claude-haiku": "Family."}, "Family."),
            ({"claude-haiku-4": "Longest.", "claude-haiku": "Family.", "anthropic": "Provider."}, "Longest."),
            ({"": "Any other.", "haiku": "Family."}, "Family."),
            ({"": "Any other.", "gpt": "Family."}, "Any other."),
            ({"anthro": "Part of a provider."}, ""),
            (7, ""),
        ],
    )
    def test_the_longest_name_that_fits_gives_the_note(self, written: object, note: str) -> None:
        assert note_for(written, ("anthropic", "claude"), "claude-haiku-4-5") == note

    def test_notes_stand_at_the_very_end_as_they_are_written(self) -> None:
        prompt = system_prompt(persona(), NOON, notes=("One.\n- two", " ", "Three.\n"))
        assert prompt.endswith("where the person is.\n\n## Keep in mind\n\nOne.\n- two\n\nThree.")
        assert "## Keep in mind" not in system_prompt(persona(), NOON, notes=("",))


class TestPrompt:
    def test_static_concepts_come_before_traits_people_and_topics(self) -> None:
        kinds: list[ConceptType] = ["topic", "person", "persona", "static"]
        prompt = system_prompt(persona("lena", *(concept(f"The {kind}", kind) for kind in kinds)))
        places = [prompt.index(f"The {kind}") for kind in ("static", "persona", "person", "topic")]
        assert places == sorted(places)

    def test_it_opens_with_the_name_and_both_descriptions(self) -> None:
        prompt = system_prompt(persona())
        assert prompt.startswith("You are Lena. A storyteller.\n\nYou tell.\n\n")

    def test_topics_are_ordered_by_how_much_more_the_persona_wants_of_them(self) -> None:
        topics = [
            concept("Enough", "topic", 0.9, 0.1),
            concept("Longed for", "topic", 0.1, 0.9),
            concept("Even", "topic", 0.9, 0.9),
        ]
        prompt = system_prompt(persona("lena", *topics))
        lines = [line for line in prompt.splitlines() if line.startswith(("- Enough", "- Longed", "- Even"))]
        assert lines == [
            "- Longed for: about Longed for (you would love to talk about it)",
            "- Even: about Even",
            "- Enough: about Enough (you have had enough of it for now)",
        ]

    @pytest.mark.parametrize(
        ("sentiment", "words"),
        [
            (1.0, " (you love it)"),
            (0.5, " (you like it)"),
            (0.2, " (you are fairly warm to it)"),
            (0.0, ""),
            (-0.2, " (you are wary of it)"),
            (-0.5, " (you dislike it)"),
            (-1.0, " (you cannot stand it)"),
        ],
    )
    def test_a_feeling_is_said_in_words(self, sentiment: float, words: str) -> None:
        prompt = system_prompt(persona("lena", concept("Rain", "topic", sentiment=sentiment)))
        assert f"- Rain: about Rain{words}\n" in prompt

    def test_a_person_is_them_and_a_wish_of_exactly_a_half_is_one_in_spite_of_rounding(self) -> None:
        prompt = system_prompt(persona("lena", concept("Ada", "person", 0.2, 0.7, 0.5)))
        assert "- Ada: about Ada (you like them; you would love to talk about them)\n" in prompt

    def test_the_numbers_of_a_static_concept_play_no_part(self) -> None:
        prompt = system_prompt(persona("lena", concept("Never diagnose", "static", 0.0, 1.0, -1.0)))
        assert "- Never diagnose: about Never diagnose\n" in prompt

    def test_a_guest_is_told_whose_conversation_it_is(self) -> None:
        prompt = system_prompt(persona("lena"), guest_of="ei")
        assert "conversation between one person and Ei. You are a guest" in prompt
        assert "guest" not in system_prompt(persona("lena"))

    def test_the_others_who_speak_are_named(self) -> None:
        prompt = system_prompt(persona("ei"), others=[persona("mike", short="Practical.")])
        assert "- Mike also speaks here: Practical." in prompt

    def test_the_day_is_told_but_not_the_minute_so_that_the_prompt_stays_the_same_for_hours(self) -> None:
        prompt = system_prompt(persona(), NOON)
        assert "Today is Friday, 20 November 2026; it is afternoon where the person is." in prompt
        assert prompt == system_prompt(persona(), NOON.replace(hour=17, minute=59))

    def test_without_a_time_no_day_is_told(self) -> None:
        assert "Today" not in system_prompt(persona())

    def test_a_note_is_the_last_line(self) -> None:
        assert system_prompt(persona(), NOON, note="Be  brief.").endswith("\n- Be brief.")

    def test_a_persona_without_descriptions_or_concepts_still_has_a_prompt(self) -> None:
        prompt = system_prompt(persona("x", short="", long=""))
        assert prompt.startswith("You are X.\n\n## This conversation\n- ")

    def test_line_breaks_in_a_concept_do_not_make_headings(self) -> None:
        bad = Concept("i", "Two\nlines", "one\n\n## Two", "topic", 0.5, 0.5, 0.0)
        assert "- Two lines: one ## Two\n" in system_prompt(persona("lena", bad))

    def test_names_keep_their_own_capitals(self) -> None:
        assert [display_name(name) for name in ("lena", "McFly", "")] == ["Lena", "McFly", ""]


class TestMessages:
    def test_a_conversation_of_two_is_user_and_assistant(self) -> None:
        path = [message(1, "user", "Hi"), message(2, "assistant", "Hello", "ei"), message(3, "user", "So?")]
        assert said(*to_messages("P", path, "ei")) == [
            ("system", "P"),
            ("user", "Hi"),
            ("assistant", "Hello"),
            ("user", "So?"),
        ]

    def test_the_host_sees_who_the_guest_was_and_what_was_said_to_her(self) -> None:
        path = [
            message(1, "user", "Hi"),
            message(2, "user", "what do you think?", to="lena"),
            message(3, "assistant", "Rain.", "lena"),
            message(4, "user", "And you?"),
        ]
        assert said(*to_messages("", path, "ei", host="ei")) == [
            ("user", "Hi"),
            ("user", "(to Lena) what do you think?"),
            ("user", "Lena said: Rain."),
            ("user", "And you?"),
        ]

    def test_the_guest_sees_her_own_replies_as_hers_and_what_was_said_to_the_host_marked(self) -> None:
        path = [
            message(1, "user", "Hi"),
            message(2, "assistant", "Hello", "ei"),
            message(3, "user", "you?", to="lena"),
            message(4, "assistant", "Rain.", "lena"),
            message(5, "user", "really?", to="lena"),
        ]
        assert said(*to_messages("", path, "lena", host="ei")) == [
            ("user", "(to Ei) Hi"),
            ("user", "Ei said: Hello"),
            ("user", "you?"),
            ("assistant", "Rain."),
            ("user", "really?"),
        ]

    def test_what_another_persona_said_carries_her_name_and_the_persons_words_none(self) -> None:
        path = [message(1, "user", "Hi", to="lena"), message(2, "assistant", "Rain.", "lena")]
        assert [m.name for m in to_messages("P", path, "ei")] == [None, None, "lena"]

    @pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.STREAMING])
    def test_what_has_not_ended_is_left_out(self, state: State) -> None:
        path = [message(1, "user", "Hi"), message(2, "assistant", "Hel", "ei", state=state)]
        assert said(*to_messages("", path, "ei")) == [("user", "Hi")]

    @pytest.mark.parametrize("state", [State.CANCELLED, State.FAILED])
    def test_a_reply_that_was_cut_goes_as_far_as_it_came(self, state: State) -> None:
        path = [message(1, "user", "Hi"), message(2, "assistant", "Hel", "ei", state=state)]
        assert said(*to_messages("", path, "ei")) == [("user", "Hi"), ("assistant", "Hel")]

    def test_replies_without_words_are_left_out(self) -> None:
        path = [
            message(1, "user", "Hi"),
            message(2, "assistant", (ReasoningPart("hmm"),), "ei", state=State.FAILED),
            message(3, "assistant", " \n", "ei"),
            message(4, "assistant", "  ", "lena"),
        ]
        assert said(*to_messages("", path, "ei")) == [("user", "Hi")]

    def test_reasoning_is_not_sent_back_and_opaque_data_is(self) -> None:
        opaque = OpaquePart("anthropic", {"signature": "x"})
        path = [message(1, "assistant", (ReasoningPart("hmm"), opaque, TextPart("Yes")), "ei")]
        assert to_messages("", path, "ei") == (ChatMessage("assistant", (opaque, TextPart("Yes"))),)

    def test_tool_calls_and_results_of_the_speaker_stay_and_those_of_others_go(self) -> None:
        call, result = ToolCallPart("1", "clock", "{}"), ToolResultPart("1", "noon")
        path = [message(1, "assistant", (call,), "ei"), message(2, "tool", (result,), "ei")]
        assert [m.parts for m in to_messages("", path, "ei")] == [(call,), (result,)]
        assert to_messages("", path, "lena") == ()

    def test_a_file_alone_is_something_said_and_the_mark_stands_before_it(self) -> None:
        blob = BlobPart("00", "image/png", "a.png")
        sent = to_messages("", [message(1, "user", (blob,), to="lena")], "ei", host="ei")
        assert sent == (ChatMessage("user", (TextPart("(to Lena)"), blob)),)

    def test_names_are_compared_without_case(self) -> None:
        path = [message(1, "user", "Hi", to="Lena"), message(2, "assistant", "Yes", "LENA")]
        assert said(*to_messages("", path, "lena")) == [("user", "Hi"), ("assistant", "Yes")]

    def test_a_message_that_stands_twice_in_the_path_is_sent_once(self) -> None:
        one = message(1, "user", "Hi")
        assert said(*to_messages("", [one, one], "ei")) == [("user", "Hi")]


names = st.sampled_from(["", "ei", "lena", "mike"])


@st.composite
def paths(draw: st.DrawFn) -> list[Message]:
    """Any path: each message holds its own key as a word, so that it can be found again in what is sent."""
    out = []
    for key in range(1, draw(st.integers(0, 12)) + 1):
        role: Role = draw(st.sampled_from(["user", "assistant"]))
        text = draw(st.sampled_from([f"<{key}>", f"<{key}> and more", "", " "]))
        author = draw(names) if role == "assistant" else ""
        out.append(message(key, role, text, author, draw(names), draw(st.sampled_from(list(State)))))
    return out


@given(paths(), st.sampled_from(["ei", "lena"]), st.sampled_from(["", "ei"]))
def test_every_ended_message_with_words_is_sent_once_and_in_order(path: list[Message], me: str, host: str) -> None:
    sent = to_messages("the prompt", path, me, host=host)
    assert sent[0] == ChatMessage("system", (TextPart("the prompt"),))
    wanted = [f"<{m.key}>" for m in path if m.state.ended and m.text.strip()]
    assert [next(w for w in wanted if w in m.text) for m in sent[1:]] == wanted


texts = st.text(alphabet="ab ", max_size=30)
turns = st.lists(st.tuples(texts, st.lists(st.tuples(st.booleans(), texts), max_size=3)), max_size=8)


def request_of(talk: list[tuple[str, list[tuple[bool, str]]]], prompt: str) -> list[ChatMessage]:
    out = [ChatMessage("system", (TextPart(prompt),))]
    for asked, replies in talk:
        out.append(ChatMessage("user", (TextPart(asked),)))
        for guest, text in replies:
            out.append(
                ChatMessage("user", (TextPart(text),), name="lena")
                if guest
                else ChatMessage("assistant", (TextPart(text),))
            )
    return out


class TestFit:
    @given(turns, texts, st.integers(0, 200))
    @settings(max_examples=300)
    def test_the_prompt_and_the_last_turn_stay_the_order_is_kept_and_the_budget_held(
        self, talk: list[tuple[str, list[tuple[bool, str]]]], prompt: str, budget: int
    ) -> None:
        messages = request_of(talk, prompt)
        fitted = fit(messages, budget, len)
        conversation = list(fitted.messages[1:])
        assert fitted.messages[0] is messages[0]
        assert conversation == messages[1 + fitted.left_out :]
        assert fitted.tokens == sum(tokens_of(m, len) for m in fitted.messages)
        if talk:
            last = messages[-1 - len(talk[-1][1]) :]
            assert conversation[-len(last) :] == last
            assert conversation[0].role == "user"
            assert conversation[0].name is None
            if fitted.tokens > budget:
                assert conversation == last

    @given(turns, texts, st.integers(0, 200))
    def test_no_turn_is_left_out_that_would_still_have_fitted(
        self, talk: list[tuple[str, list[tuple[bool, str]]]], prompt: str, budget: int
    ) -> None:
        messages = request_of(talk, prompt)
        left_out = messages[1 : 1 + fit(messages, budget, len).left_out]
        starts = [i for i, m in enumerate(left_out) if m.role == "user" and m.name is None]
        if starts:
            newest = messages[:1] + messages[1 + starts[-1] :]
            assert sum(tokens_of(m, len) for m in newest) > budget

    def test_all_of_it_stays_when_it_fits(self) -> None:
        messages = request_of([("Hi", [(False, "Hello")])], "P")
        assert fit(messages, 1000, len) == Fitted(tuple(messages), 0, 1 + 2 + 5 + 12)

    def test_a_persona_that_spoke_first_is_kept_where_it_fits_and_goes_first_where_it_does_not(self) -> None:
        messages = [ChatMessage("assistant", (TextPart("Welcome"),)), ChatMessage("user", (TextPart("Hi"),))]
        assert fit(messages, 100, len).left_out == 0
        assert fit(messages, 10, len).messages == (messages[1],)

    def test_nothing_gives_nothing(self) -> None:
        assert fit([], 10, len) == Fitted((), 0, 0)

    def test_only_what_is_sent_is_measured_however_long_the_conversation(self) -> None:
        messages = request_of([("four", [(False, "four")])] * 50_000, "P")
        measured = 0

        def estimate(text: str) -> int:
            nonlocal measured
            measured += 1
            return len(text)

        fitted = fit(messages, 5 + 16 * 10, estimate)
        assert (len(fitted.messages), fitted.left_out) == (21, 100_000 - 20)
        assert measured < 30
