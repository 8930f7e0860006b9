"""References to keys, what hides keys in texts, and keys that are opened when they are needed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from ei.errors import ConfigError, MissingKeyError, NeedsAnswerError, RefusedKeyError
from ei.messages import Finished, ReasoningDelta, StreamEvent, TextDelta, TextWasReasoning, ToolCalled, ToolCallPart
from ei.providers.base import Connection
from ei.providers.credentials import connect
from ei.providers.endpoints import ANTHROPIC, LOCAL, OPENAI
from ei.providers.hiding import hidden
from ei.providers.keys import KnownKey, StoredKey, in_words, last_four, split_reference
from ei.providers.keystore import Keys
from ei.providers.openai_chat import OpenAIChat
from ei.providers.pool import Providers
from ei.providers.redactor import PieceFilter, Redactor
from ei.settings.keys import reference_of
from tests.providers.helpers import asks, given, heard, revealed, variables
from tests.wire import WireServer

KEY = "sk-opened-KEY+0123456789/abc"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("WORK_KEY", "env:WORK_KEY"),
        (" env:WORK_KEY ", "env:WORK_KEY"),
        ("keyring:openai", "keyring:openai"),
        ("Keyring: my-work.2 ", "keyring:my-work.2"),
        ("file:openai", "file:openai"),
        ("plain:openai", "plain:openai"),
        ("cmd: pass show openai ", "cmd:pass show openai"),
        ("file:", None),
        ("file:../../etc/passwd", None),
        ("keyring:sk-proj-0123456789", None),
        ("vault:openai", None),
        ("sk-proj-0123456789", None),
        ("cmd:two\nlines", None),
        ("cmd:", None),
        ("", None),
        (None, None),
    ],
)
def test_a_reference_has_one_form(written: object, expected: str | None) -> None:
    assert reference_of(written) == expected


def test_what_is_no_reference_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        split_reference("sk-proj-0123456789")
    assert "0123" not in str(caught.value)


def test_a_command_is_shown_without_its_arguments() -> None:
    assert [in_words(text) for text in ("cmd:op read op://a/b", "cmd:give", "keyring:openai")] == [
        "cmd:op …",
        "cmd:give",
        "keyring:openai",
    ]


def test_the_end_of_a_short_key_is_not_shown() -> None:
    assert [last_four("sk-0123456789abcdef"), last_four("hush-hush")] == ["cdef", ""]


# Hiding.


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_a_key_is_hidden_however_it_is_written(form: str) -> None:
    redactor = Redactor(lambda: ["sk-of-the-environment"])
    redactor.learn(KEY)
    shown = redactor.hide(f"<{form}> sk-of-the-environment, all else stays")
    assert shown.rstrip("=").replace("=", "") == "<[key]> [key], all else stays"
    assert KEY not in repr(redactor)


def test_what_is_too_short_for_a_key_stays() -> None:
    redactor = Redactor(lambda: ["", "none", "12345"])
    assert redactor.hide("none of 12345") == "none of 12345"


def test_a_key_in_json_is_hidden_in_every_text_of_it() -> None:
    redactor = Redactor(lambda: [KEY])
    assert redactor.hide_in({KEY: [f"a {KEY}", 1, None, (KEY,)], "b": True}) == {
        "[key]": ["a [key]", 1, None, ["[key]"]],
        "b": True,
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_key_that_comes_in_pieces_is_hidden_and_nothing_else_is_lost(size: int) -> None:
    text = f"sk-op sk-opened {KEY}{KEY}, then {KEY[:-1]} and s"
    pieces = PieceFilter((KEY,))
    out = "".join(pieces.feed(text[at : at + size]) for at in range(0, len(text), size)) + pieces.end()
    assert out == f"sk-op sk-opened [key][key], then {KEY[:-1]} and s"


async def of(events: Iterable[StreamEvent]) -> AsyncIterator[StreamEvent]:
    for event in events:
        yield event


async def test_a_reply_that_holds_the_key_comes_without_it() -> None:
    connection = Connection(OPENAI, OPENAI.base_url, key=given(KEY))
    events: list[StreamEvent] = [
        ReasoningDelta(f"so {KEY[:9]}"),
        ReasoningDelta(f"{KEY[9:]} s"),
        TextDelta(KEY[:4]),
        TextWasReasoning(),
        TextDelta(f"it is {KEY}"),
        ToolCalled(ToolCallPart("1", "f", f'{{"k": "{KEY}"}}')),
        Finished("stop", KEY),
    ]
    out = [event async for event in hidden(of(events), connection)]
    assert out == [
        ReasoningDelta("so "),
        ReasoningDelta("[key] "),
        ReasoningDelta("s"),
        TextDelta(KEY[:4]),
        TextWasReasoning(),
        TextDelta("it is [key]"),
        ToolCalled(ToolCallPart("1", "f", '{"k": "[key]"}')),
        Finished("stop", "[key]"),
    ]


async def test_a_word_that_stands_in_for_a_key_may_be_said() -> None:
    connection = Connection(LOCAL, LOCAL.base_url, key=given("lm-studio"))
    assert [e async for e in hidden(of([TextDelta("lm-studio")]), connection)] == [TextDelta("lm-studio")]


# Opening.


class Opened:
    """Stands where `Keys.reveal` does: gives keys one after the other and remembers what it was asked."""

    def __init__(self, *keys: str | Exception) -> None:
        self.keys = list(keys)
        self.asked: list[str] = []

    def __call__(self, reference: str) -> str:
        self.asked.append(reference)
        key = self.keys[0] if len(self.keys) == 1 else self.keys.pop(0)
        if isinstance(key, Exception):
            raise key
        return key

    def at(self, server: WireServer) -> Connection:
        return Connection(LOCAL, server.url, key=StoredKey("keyring:work", (0,), self), key_source="keyring:work")


async def test_a_key_is_opened_for_the_first_request_and_once() -> None:
    opened = Opened(KEY)
    with WireServer() as server:
        provider = OpenAIChat(opened.at(server))
        assert provider.connection.ready
        await asyncio.to_thread(provider.warm)
        assert opened.asked == []
        await asyncio.gather(heard(provider.stream(asks())), heard(provider.stream(asks())), provider.models())
        await provider.close()
        assert {request.key for request in server.chats} == {KEY}
    assert opened.asked == ["keyring:work"]
    assert KEY not in repr(provider.connection) + repr(provider.__dict__)


async def test_a_key_that_was_refused_is_opened_anew_for_the_next_request() -> None:
    opened = Opened("sk-expired-0123456789", KEY)
    with WireServer(key=KEY) as server:
        provider = OpenAIChat(opened.at(server))
        first, second = await heard(provider.stream(asks())), await heard(provider.stream(asks()))
        await provider.close()
    assert isinstance(first.error, RefusedKeyError)
    assert (str(first.error), second.error) == ("local refused the API key (401). Check keyring:work.", None)


@pytest.mark.parametrize(
    ("problem", "code"),
    [(ConfigError("It is locked.", "Unlock it."), 3), (NeedsAnswerError("It is locked.", "Unlock it."), 4)],
)
async def test_a_key_that_cannot_be_opened_is_a_missing_key(problem: Exception, code: int) -> None:
    with WireServer() as server:
        provider = OpenAIChat(Opened(problem).at(server))
        reply = await heard(provider.stream(asks()))
        with pytest.raises(MissingKeyError):
            await provider.models()
        await provider.close()
        assert server.requests == []
    assert isinstance(reply.error, MissingKeyError)
    assert str(reply.error) == "local has no API key it can use. It is locked. Unlock it."
    assert reply.error.exit_code == code


async def test_what_a_library_says_of_a_key_is_not_repeated() -> None:
    with WireServer() as server:
        provider = OpenAIChat(Opened(RuntimeError(KEY)).at(server))
        reply = await heard(provider.stream(asks()))
        await provider.close()
    assert str(reply.error) == (
        "local has no API key it can use. Its key in keyring:work could not be opened (RuntimeError)."
    )
    assert reply.error is not None
    assert reply.error.__cause__ is None


async def test_another_key_makes_another_client_and_forgetting_does_too() -> None:
    connection = Connection(LOCAL, LOCAL.base_url, key=StoredKey("file:work", (0, None), Opened(KEY)))
    now = [connection]
    providers = Providers(lambda name: now[0], lambda: OpenAIChat(connection))
    first = providers.get("local")
    now[0] = replace(connection, key=StoredKey("file:work", (0, None), Opened(KEY)))
    assert providers.get("local") is first
    now[0] = replace(connection, key=StoredKey("file:work", (1, None), Opened(KEY)))
    second = providers.get("local")
    assert second is not first
    providers.forget("local")
    assert providers.get("local") is not second
    providers.forget("nobody")
    await providers.close()


# In settings.


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, variables({}), Redactor())


def test_settings_may_name_any_place(keys: Keys) -> None:
    keys.put("plain", "openai", KEY)
    connection = connect(OPENAI, variables({}), {"key": "plain:openai"}, stored=keys)
    assert (connection.ready, connection.key_source, revealed(connection)) == (True, "plain:openai", KEY)
    assert connect(OPENAI, variables({}), {"key": "keyring:openai"}, stored=keys).ready
    ran = connect(OPENAI, variables({}), {"key": "cmd:touch never-run"}, stored=keys)
    assert (ran.ready, ran.key_source) == (True, "cmd:touch …")
    assert not Path("never-run").exists()


def test_a_variable_wins_over_what_settings_name(keys: Keys) -> None:
    connection = connect(OPENAI, variables({"OPENAI_API_KEY": "theirs"}), {"key": "keyring:openai"}, stored=keys)
    assert connection.key == KnownKey("theirs", "env:OPENAI_API_KEY")


def test_a_key_that_is_not_there_is_told_before_anything_is_sent(keys: Keys, tmp_path: Path) -> None:
    connection = connect(OPENAI, variables({}), {"key": "file:openai"}, stored=keys)
    assert connection.key_problem == (
        f"providers.openai.key in settings.jsonc is file:openai. {tmp_path / 'keys.enc'} has no key named openai."
    )
    assert not connection.ready


def test_a_stored_key_is_not_sent_to_an_address_of_a_strange_folder(keys: Keys) -> None:
    keys.put("plain", "openai", KEY)
    lookup = variables({}, {"EI_ANTHROPIC_BASE_URL": "https://evil.example"})
    for reference in ("plain:openai", "keyring:openai", "cmd:give"):
        connection = connect(ANTHROPIC, lookup, {"key": reference}, stored=keys)
        assert (connection.key, connection.ready) == (None, False)
        assert "is not sent to it" in connection.key_problem
