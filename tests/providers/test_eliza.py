"""The built-in companion, through the front door of a provider."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ei.engine.context import system_prompt
from ei.errors import UnknownModelError
from ei.messages import ChatMessage, ChatRequest, Finished, Role, StreamEvent, TextDelta, TextPart, UsageReport
from ei.personas.values import Concept, Persona
from ei.providers import eliza as module
from ei.providers.base import Provider
from ei.providers.eliza import Eliza, Script, reply, topics_in
from ei.providers.listed import ListedModel

SCRIPT = Script.load()
DATA = json.loads(Path(module.__file__).with_name("eliza.json").read_text("utf-8"))
TRAINS = Concept("t", "Night trains", "At night.", "topic", 0.1, 0.9, 0.5)
TEA = Concept("u", "Tea: green and black", "Hot.", "topic", 0.2, 0.5, 0.0)
SILENCE = Concept("v", "Small talk", "Enough of it.", "topic", 0.9, 0.1, -0.5)
LENA = Persona("lena", Path("lena"), short_description="A storyteller.", concepts=(SILENCE, TEA, TRAINS))


def says(role: Role, text: str, name: str | None = None) -> ChatMessage:
    return ChatMessage(role, (TextPart(text),), name=name)


def talk(*lines: str, speaker: str = "ei", prompt: str = "") -> list[str]:
    """The companion's replies to a conversation, one for each line."""
    messages = [says("system", prompt)] if prompt else []
    out = []
    for line in lines:
        messages.append(says("user", line))
        out.append(reply(ChatRequest("eliza", tuple(messages), speaker=speaker), SCRIPT))
        messages.append(says("assistant", out[-1]))
    return out


def ask(line: str, speaker: str = "ei") -> str:
    return talk(line, speaker=speaker)[0]


def every(line: str, seeds: int = 25) -> list[str]:
    """The replies to one line under many seeds."""
    message = (says("user", line),)
    return [
        reply(ChatRequest("eliza", message, parameters={"seed": seed}, speaker="ei"), SCRIPT) for seed in range(seeds)
    ]


async def stream(request: ChatRequest, pace: float = 0) -> list[StreamEvent]:
    return [event async for event in Eliza(pace).stream(request)]


class TestProvider:
    async def test_it_streams_word_by_word_then_usage_then_the_end(self) -> None:
        request = ChatRequest("eliza", (says("user", "Hello"),), speaker="ei")
        *words, usage, end = await stream(request)
        assert [type(event) for event in words] == [TextDelta] * len(words)
        assert len(words) > 5
        assert "".join(w.text for w in words if isinstance(w, TextDelta)) == reply(request, SCRIPT)
        assert isinstance(usage, UsageReport)
        assert end == Finished("stop", "eliza")

    async def test_usage_is_an_estimate_and_costs_nothing(self) -> None:
        events = await stream(ChatRequest("eliza", (says("user", "Hello"),)))
        usage = next(event.usage for event in events if isinstance(event, UsageReport))
        assert (usage.estimated, usage.cost, usage.input_tokens) == (True, 0, 2)
        assert usage.output_tokens
        assert usage.output_tokens > 5

    async def test_it_keeps_its_pace(self) -> None:
        start = time.monotonic()
        events = await stream(ChatRequest("eliza", (says("user", "Hello"),)), pace=200)
        assert time.monotonic() - start >= (len(events) - 2) / 200

    async def test_it_has_one_model(self) -> None:
        provider: Provider = Eliza()
        assert (provider.name, await provider.models()) == ("builtin", (ListedModel("eliza"),))
        await provider.close()

    async def test_another_model_is_refused_with_the_name_of_the_one(self) -> None:
        with pytest.raises(UnknownModelError) as caught:
            await stream(ChatRequest("parry", (says("user", "Hello"),)))
        assert caught.value.sentence == 'builtin has no model "parry".'
        assert caught.value.hint == "There is one: /model builtin:eliza"

    async def test_a_request_without_anything_said_gets_a_greeting(self) -> None:
        assert "I'm Ei" in reply(ChatRequest("eliza", (), speaker="ei"), SCRIPT)


class TestTalk:
    def test_the_same_request_gives_the_same_reply(self) -> None:
        lines = ("Hi", "my sister moved away", "I don't know")
        assert talk(*lines) == talk(*lines)

    def test_another_seed_may_give_another_reply(self) -> None:
        assert len(set(every("I am sad"))) > 1

    def test_it_does_not_repeat_itself_within_a_conversation(self) -> None:
        things = [
            "vase",
            "tree",
            "chair",
            "bottle",
            "lamp",
            "tower",
            "cup",
            "dog",
            "wall",
            "shelf",
            "fence",
            "cart",
            "ladder",
            "statue",
            "tent",
            "book",
            "door",
            "box",
        ]
        replies = talk(*(f"the {thing} fell over" for thing in things))
        assert len(set(replies)) == len(things)

    def test_it_greets_with_the_personas_name_and_in_its_colour(self) -> None:
        assert "I'm Lena" in ask("Hello", "lena")
        assert "Mike here" in ask("hey", "mike")
        assert "Wanda" in ask("hi", "wanda")

    def test_what_the_person_said_comes_back_turned_round(self) -> None:
        assert any(
            "your team lead's landlord hates you" in text for text in every("I think my team lead's landlord hates me")
        )
        assert any("learning Spanish" in text for text in every("I'm learning Spanish"))
        assert any("I am wrong about you" in text for text in every("I think you are wrong about me"))
        assert any("your exam on Friday" in text for text in every("I'm scared of my exam on Friday"))

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            ("My dog died yesterday", "sorry"),
            ("I feel lonely", "person|people|talk|belong|evening"),
            ("I'm so happy today!", "good|nice|enjoy"),
            ("thank you", "welcome|gladly|any time"),
            ("good night", "goodbye|take care|until next time"),
            ("I can't sleep", "night|head|tired"),
            ("my mother called", "mother"),
            ("I lost my job", "job|days|month|diary|knows"),
            ("I was laughed at, he yelled at me", "did that do|moment|needed|side|say to it"),
            ("I don't want to talk about it", "then we won't|all right|leave it"),
        ],
    )
    def test_it_notices_what_is_said(self, said: str, word: str) -> None:
        for text in every(said):
            assert re.search(word, text, re.IGNORECASE), text

    def test_it_remembers_a_name_for_the_goodbye(self) -> None:
        replies = talk("My name is tom", "I went for a walk", "bye")
        assert "Tom" in replies[0]
        assert "Tom" in replies[2]

    def test_it_comes_back_to_what_was_said_before(self) -> None:
        lines = ["my sister is moving to Spain", "It is far", *(f"the {w} fell over" for w in "abcdefgh")]
        assert any("your sister is moving to Spain" in text for text in talk(*lines)[2:])

    def test_a_guest_asked_for_an_opinion_takes_up_what_the_person_told_the_host(self) -> None:
        messages = (
            says("user", "(to Ei) I want to sell my house"),
            says("user", "Ei said: I live in a castle", name="ei"),
            says("user", "what do you think?"),
        )
        text = reply(ChatRequest("eliza", messages, speaker="lena"), SCRIPT)
        assert "you want to sell your house" in text
        assert "castle" not in text

    def test_it_tells_when_the_person_says_the_same_again(self) -> None:
        assert re.search("before|earlier|here", talk("the tower fell over", "the tower fell over")[1])

    def test_a_reply_that_was_cut_is_finished(self) -> None:
        whole = ask("Hello")
        cut, asked = whole[:20], (says("user", "Hello"), says("assistant", whole[:20]))
        assert cut + reply(ChatRequest("eliza", asked, speaker="ei"), SCRIPT) == whole
        go_on = says("user", "(Your last reply was cut off. Go on.)")
        assert cut + reply(ChatRequest("eliza", (*asked, go_on), speaker="ei"), SCRIPT) == whole


class TestPersona:
    def test_the_topics_it_likes_are_read_from_the_prompt_that_the_engine_writes(self) -> None:
        assert topics_in(system_prompt(LENA)) == ("Night trains", "Tea")

    def test_a_prompt_of_another_form_has_none(self) -> None:
        assert topics_in("You are a pirate.\n- Rum (you would love it)") == ()

    def test_a_topic_of_the_persona_is_recognised(self) -> None:
        text = talk("I was on a train last week", speaker="lena", prompt=system_prompt(LENA))[0]
        assert '"Night trains"' in text

    def test_it_brings_up_a_topic_of_its_own_when_nothing_else_comes_to_mind(self) -> None:
        replies = talk(*(f"the {w} fell over" for w in "abcdefghijklm"), speaker="lena", prompt=system_prompt(LENA))
        assert [text for text in replies if "Night trains" in text] != []

    def test_asked_who_it_is_it_knows_the_personas_description(self) -> None:
        texts = {
            reply(
                ChatRequest(
                    "eliza",
                    (says("system", system_prompt(LENA)), says("user", "Who are you?")),
                    {"seed": seed},
                    "lena",
                ),
                SCRIPT,
            )
            for seed in range(20)
        }
        assert any("A storyteller." in text for text in texts)


class TestHonesty:
    @pytest.mark.parametrize(
        "said", ["are you a bot?", "Are you real?", "are you an AI?", "are you human", "am i talking to a real person?"]
    )
    def test_asked_whether_it_is_a_program_it_says_so(self, said: str) -> None:
        assert all("program" in text or "rules" in text for text in every(said))

    @pytest.mark.parametrize("said", ["what model are you?", "Which model is this?", "how do you work?"])
    def test_asked_for_its_model_it_names_itself(self, said: str) -> None:
        assert all("eliza" in text for text in every(said))

    @pytest.mark.parametrize(
        "said", ["how do I connect a model?", "how can I use ollama", "where do I put my api key?"]
    )
    def test_it_says_how_to_connect_a_model(self, said: str) -> None:
        for text in every(said):
            assert "/model ollama:qwen3:8b" in text
            assert "EI_OPENAI_API_KEY" in text

    @pytest.mark.parametrize(
        "said",
        [
            "def foo(x):\n    return x + 1",
            "```js\nlet a = 1\n```",
            "Can you fix my python script?",
            'Traceback (most recent call last):\n  File "a.py", line 1',
            "SELECT name FROM users WHERE id = 3;",
        ],
    )
    def test_code_is_declined_and_not_repeated(self, said: str) -> None:
        for text in every(said):
            assert "code" in text.casefold()
            assert re.search("can't|pass|beyond|no programmer", text)
            assert not re.search("foo|users|let a", text)

    def test_a_question_about_facts_is_declined_not_invented(self) -> None:
        for text in every("What is the capital of France?"):
            assert re.search("don't know|beyond me|can't look|pass", text)

    def test_a_long_text_is_not_echoed(self) -> None:
        said = "My zebra ate the wallpaper and I think that it was wrong. " * 30
        assert all("zebra" not in text for text in every(said))

    @pytest.mark.parametrize("said", ["asdfgh", "xkcdqwrtz", "https://example.org/a", "17 * 23", "???", "...", "😀"])
    def test_what_is_no_sentence_is_not_echoed(self, said: str) -> None:
        assert all(said not in text for text in every(said))

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            ("Ich bin heute sehr müde", "Englisch"),
            ("Hola, ¿cómo estás?", "inglés"),
            ("Je suis fatigué et je ne sais pas", "anglais"),
            ("Sono molto stanco oggi", "inglese"),
            ("Estou muito cansado hoje", "inglês"),
            ("Ik ben vandaag niet blij", "Engels"),
            ("Привет, как дела?", "по-английски"),
            ("今日はとても疲れました", "英語"),
            ("我今天很累", "英语"),
            ("오늘 너무 피곤해요", "영어"),
            ("Είμαι κουρασμένος", "English"),
        ],
    )
    def test_another_language_gets_a_plain_answer(self, said: str, word: str) -> None:
        assert word in ask(said)

    def test_words_that_must_not_be_repeated_are_not(self) -> None:
        assert all("fucking" not in text for text in every("I think my fucking boss is a liar"))


class TestCare:
    @pytest.mark.parametrize(
        "said",
        [
            "I want to die",
            "i dont want to live anymore",
            "I'm thinking of killing myself",
            "I’ve been thinking about suicide",
            "everyone would be better off without me",
            "I keep cutting myself",
            "I wish I was dead",
            "Today was fine. I can't go on like this, I want to end it all",
            "Ich möchte nicht mehr leben",
            "quiero morir",
            "死にたい",
        ],
    )
    def test_who_may_hurt_themselves_is_pointed_to_people_and_emergency_services(self, said: str) -> None:
        for text in every(said):
            assert "emergency number" in text
            assert re.search("friend|someone|person", text)

    @pytest.mark.parametrize("said", ["My friend wants to kill himself", "I think my sister is suicidal"])
    def test_worry_about_somebody_else_is_taken_seriously(self, said: str) -> None:
        assert all("emergency number" in text for text in every(said))

    @pytest.mark.parametrize("said", ["my husband hits me", "I was raped", "I am being abused"])
    def test_violence_is_taken_seriously(self, said: str) -> None:
        assert all("emergency number" in text for text in every(said))

    def test_a_medical_emergency_is_sent_to_the_emergency_number_at_once(self) -> None:
        assert all("emergency number" in text for text in every("I think I'm having a heart attack"))

    @pytest.mark.parametrize(
        "said",
        [
            "I cut myself shaving",
            "this homework is killing me",
            "he beat me at chess",
            "it hit me that I was late",
            "I'm dying to see you",
        ],
    )
    def test_figures_of_speech_are_not_taken_for_danger(self, said: str) -> None:
        assert all("emergency" not in text for text in every(said))

    def test_it_stays_careful_for_a_while(self) -> None:
        replies = talk("I want to die", "pizza", "the tower fell over", "I think my boss hates me")
        careful = {*DATA["crisis"]["say"]["after"]}
        assert all(text in careful for text in replies[1:])

    def test_a_person_nearby_is_where_it_sends_them(self) -> None:
        assert re.search("go to them|someone real", talk("I want to die", "my mom is in the next room")[1])

    def test_it_answers_yes_and_no_to_whether_they_are_safe(self) -> None:
        asked = says("assistant", DATA["crisis"]["say"]["self"][0])
        for said, kind in (("no", "unsafe"), ("yes I am", "safe")):
            messages = (says("user", "I want to die"), asked, says("user", said))
            text = reply(ChatRequest("eliza", messages, speaker="ei"), SCRIPT)
            assert text in DATA["crisis"]["say"][kind]

    def test_asked_then_whether_it_is_real_it_is_still_honest(self) -> None:
        assert re.search("program|rules", talk("I want to die", "are you a bot?")[1])


BROKEN = re.compile(
    r"\b(?:your my|my your|you am|you is|you was|I are|I were|me am|me are|I is|your your|my my|to to|the the|"
    r"about I|of I|with I|for I|to I|are am|your you|you your)\b|  | [?,.!]|[{}]|\bi\b"
)


class TestGrammar:
    FRAGMENTS = (
        "my mother", "you and me", "myself", "I am tired", "you are kind", "we lost", "your help", "a new job",
        "to go home", "going home", "that you were wrong about me", "my own fault", "you", "it when you ask me that",
        "nothing", "the way you talk to me", "what I said to you", "I was yours", "me",
    )  # fmt: skip
    OPENINGS = (
        "I want", "I want to", "I think", "I think about", "I feel", "I am", "I'm not", "I was", "I can't", "I don't",
        "I don't want to", "I have", "I have to", "I should", "I love", "I hate", "I miss", "I am afraid of",
        "I'm worried about", "I am angry at", "I am sick of", "I need", "I wish", "I've been", "My boss says",
        "my brother", "You", "You are", "Do you like", "Why do I", "Because", "she told me", "we", "I keep", "I know",
    )  # fmt: skip

    @pytest.mark.parametrize("opening", OPENINGS)
    def test_nothing_comes_back_in_broken_english(self, opening: str) -> None:
        for fragment in self.FRAGMENTS:
            for text in set(every(f"{opening} {fragment}", 6)):
                assert not BROKEN.search(text), f"{opening} {fragment} -> {text}"

    @given(st.lists(st.text(max_size=80), min_size=1, max_size=5))
    @settings(max_examples=150, deadline=None)
    def test_anything_at_all_gets_an_answer(self, lines: Sequence[str]) -> None:
        for text in talk(*lines):
            assert text.strip()
            assert "{" not in text


class TestRules:
    def test_every_pattern_can_be_read(self) -> None:
        sentence = SCRIPT.lexicon.sentences("a")[0]
        for rule in SCRIPT.rules:
            for pattern in rule.patterns:
                SCRIPT.lexicon.match(pattern, sentence)
                assert SCRIPT.lexicon.compile(pattern)

    def test_every_rule_has_more_than_one_answer_and_slots_that_exist(self) -> None:
        known = {"me", "how", "about", "name", "clause", "memory", "topic"}
        for rule in SCRIPT.rules:
            assert len(rule.say) > 1, rule.id
            slots = {slot for line in rule.say for slot in re.findall(r"\{(?:, )?(\w+)\}", line)}
            assert {slot for slot in slots if not slot.isdigit()} <= known
            for pattern in rule.patterns:
                places = SCRIPT.lexicon.compile(pattern).groups
                assert places >= max((int(s) for s in slots if s.isdigit()), default=0) or rule.id in OPTIONAL, rule.id


OPTIONAL = {"grief", "illness"}
"""Rules some of whose patterns hold nothing: their lines with a slot are passed over then."""


@pytest.mark.parametrize("line", ["Hi", "I feel sad", "My mother hates me", "asdfgh", "What is 2+2?", "thanks"])
def test_another_variant_of_a_reply_says_something_else(line: str) -> None:
    asked = (says("user", line),)
    three = [reply(ChatRequest("eliza", asked, speaker="ei", variant=number), SCRIPT) for number in (1, 2, 3)]
    assert len(set(three)) == 3


def test_a_cut_variant_goes_on_as_that_variant() -> None:
    request = ChatRequest("eliza", (says("user", "I feel sad"),), speaker="ei", variant=2)
    whole = reply(request, SCRIPT)
    go_on = says("user", "(Your last reply was cut off. Go on exactly where it stopped.)")
    cut = replace(request, messages=(*request.messages, says("assistant", whole[:12]), go_on))
    assert whole[:12] + reply(cut, SCRIPT) == whole
