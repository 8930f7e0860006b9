"""Finding messages by their words."""

from __future__ import annotations

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ei.conversations import index
from ei.conversations.search import AROUND, Finder, fold
from ei.conversations.store import ConversationStore
from ei.conversations.values import Hit
from ei.storage.database import Database
from tests.conversations.helpers import say, talk


def found(store: ConversationStore, words: str) -> list[str]:
    return [hit.message.text for hit in store.search(words)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("rain", "The rain stopped."),
        ("RAI", "The rain stopped."),
        ("r", "The rain stopped."),
        ("stop rain", "The rain stopped."),
        ('"rain stopped"', "The rain stopped."),
        ('"rain stopped', "The rain stopped."),
        ("cafe", "Ein Café in Köln"),
        ("KÖLN", "Ein Café in Köln"),
        ("köln", "Ein Cafe\u0301 in Ko\u0308ln"),
        ("don't", "I don't know"),
        ("node.js", "written in Node.js today"),
        ("天气", "今天天气真好"),
        ("天", "今天天气真好"),
        ("气真", "今天天气真好"),
        ("今天 真好", "今天天气真好"),
        ("编程", "我喜欢Python编程"),
        ("pyth", "我喜欢Python编程"),
        ("カタ", "これはカタカナです"),
        ("ガラス", "か\u3099らす と カ\u3099ラス"),
        ("２０２６", "in 2026"),
        ("2026", "２０２６年"),
        ("ไทย", "ภาษาไทยสวย"),
        ("한국", "한국어를 배워요"),
        ("𠮷", "𠮷野家"),
        ("हिन्दी", "मैं हिन्दी बोलता हूँ"),
        ("كتاب", "هذا كِتَاب"),
        ("שלום", "שָׁלוֹם עולם"),
        ("Ёлка", "зелёная ёлка"),
        ("σίσυφος", "ΣΊΣΥΦΟΣ"),
    ],
)
def test_a_word_is_found_whatever_its_case_accents_and_script(store: ConversationStore, words: str, text: str) -> None:
    id = store.create("ei").id
    say(store, id, "Something else altogether 別の")
    say(store, id, text)
    (hit,) = store.search(words)
    assert hit.message.text == text
    assert hit.match


@pytest.mark.parametrize(
    "words",
    ["ain", "rain sun", '"stopped rain"', '"rai"', "气天", "天真", "rain AND", "", "  ", '"', '""', "* - !", "\0"],
)
def test_what_is_not_there_is_not_found(store: ConversationStore, words: str) -> None:
    id = store.create("ei").id
    say(store, id, "The rain stopped.")
    say(store, id, "今天天气好，真的")
    assert found(store, words) == []


@pytest.mark.parametrize(
    "words",
    ["rain OR", "NOT rain", "rain*", "(rain", "words:rain", "rain^2", "NEAR(rain", "rain - the", "＂rain＂", "-rain"],
)
def test_nothing_that_is_typed_is_an_operator(store: ConversationStore, words: str) -> None:
    id = store.create("ei").id
    text = "Or near rain, not words: rain 2 the."
    say(store, id, text)
    assert found(store, words) == [text]


def test_hits_come_newest_first_in_pages_from_all_conversations(store: ConversationStore) -> None:
    ids = [store.create(persona).id for persona in ("ei", "lena", "ei")]
    expected = []
    for number in range(50):
        expected.append(say(store, ids[number % 3], f"rain {number}").id)
        say(store, ids[number % 3], "sun", "assistant", "ei")
    expected.reverse()
    pages: list[Hit] = []
    while page := store.search("rain", 20, pages[-1].message.key if pages else None):
        pages += page
    assert [hit.message.id for hit in pages] == expected
    lena = store.search("rain", persona="lena")
    assert [hit.message.id for hit in lena] == [id for id in expected if store.message(id).conversation == ids[1]]
    assert store.search("rain", persona="nobody") == ()


def test_messages_off_the_current_path_are_found_too(store: ConversationStore) -> None:
    id = store.create("ei").id
    talk(store, id, ("rain", "sun"))
    store.undo(id)
    assert found(store, "rain") == ["rain"]


def test_messages_are_found_over_the_borders_of_the_parts_of_the_index(
    store: ConversationStore, database: Database
) -> None:
    id = store.create("ei").id
    said = []
    for part in range(3):
        with database.transaction() as connection:
            key = ((part + 1) << index.PART_BITS) - 2
            connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'message'", (key,))
        said += [say(store, id, f"rain {part} {number}") for number in range(3)]
    assert found(store, "rain") == [message.text for message in reversed(said)]
    assert found(store, "rain 1") == ["rain 2 1", "rain 1 2", "rain 1 1", "rain 1 0", "rain 0 1"]
    assert [hit.message.text for hit in store.search("rain", before_key=said[4].key)] == [
        message.text for message in reversed(said[:4])
    ]


def test_a_hit_is_shown_with_what_stands_around_it(store: ConversationStore) -> None:
    id = store.create("lena", "Weather").id
    say(store, id, f"{'before ' * 30}the\n  RAIN\nstopped {'after ' * 30}")
    (hit,) = store.search("rain")
    assert (hit.persona, hit.title, hit.match) == ("lena", "Weather", "RAIN")
    assert hit.before == "…" + "before " * 7 + "the "
    assert hit.after == " stopped" + " after" * 8 + "…"
    assert max(len(hit.before), len(hit.after)) <= AROUND + 1


def test_the_earliest_place_of_any_word_is_shown_and_marked_as_written() -> None:
    for words, text, shown in (
        ("sun rain", "rain, then sun", ("", "rain", ", then sun")),
        ("ain", "a train in pain", ("", "", "a train in pain")),
        ("strasse", "Die STRASSE", ("Die ", "STRASSE", "")),
        ("cafe", "un cafe\u0301!", ("un ", "cafe\u0301", "!")),
        ("fi", "the ﬁrst", ("the ", "ﬁ", "rst")),
        ("don't", "I don’t", ("I ", "don’t", "")),
        ('"a b"', "ab a, b", ("ab ", "a, b", "")),
        ('"rain"', "rainy rain", ("rainy ", "rain", "")),
        ("气真", "天气真好", ("天", "气真", "好")),
    ):
        assert Finder(words).in_context(text) == shown, words


@given(st.text(max_size=300))
def test_folding_keeps_a_place_for_every_character(text: str) -> None:
    folded, places = fold(text)
    assert len(folded) == len(places)
    assert all(0 <= place < len(text) for place in places)
    assert list(places) == sorted(places)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(st.sampled_from(string.printable + "äß天気ガ\u0301\ue000\0＂"), max_size=30))
def test_any_text_can_be_searched_for_in_any_text(store: ConversationStore, text: str, words: str) -> None:
    id = store.create("ei").id
    message = say(store, id, text)
    store.search(words)
    pieces = index.query_pieces(text)
    if pieces and not any(piece.isspace() for piece in text if piece != " ") and '"' not in text:
        hits = store.search(text.strip(), limit=1)
        assert not hits or hits[0].message.key <= message.key
    store.delete_conversation(id)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(string.ascii_letters + "äéøżйΩ天気的ガひ1234", min_size=1, max_size=8), min_size=1, max_size=8))
def test_every_word_of_a_message_finds_it_by_any_beginning(store: ConversationStore, words: list[str]) -> None:
    id = store.create("ei").id
    message = say(store, id, " ".join(words))
    for word in words:
        for end in (1, len(word) // 2 + 1, len(word)):
            assert message.id in [hit.message.id for hit in store.search(word[:end])]
    assert store.search(" ".join(words))[0].message.id == message.id
    store.delete_conversation(id)
