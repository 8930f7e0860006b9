"""The picker of models in a chat: opened by a key or a command, searched, and left by each key that chooses."""

from __future__ import annotations

import pytest

from ei.app import build
from ei.config import ConfigFile
from ei.models.values import Model, Prices
from tests.chat.homes import Home, ask, prompt_line, say, shown
from tests.drive import Terminal
from tests.wire import WireServer

BILLION = 1_000_000_000


def known(home: Home) -> None:
    """Puts models into the registry."""
    services = build(ConfigFile(home.environment(), None))
    for number in range(30):
        services.registry.add(Model("local", f"local-{number}b", context=8192 * (1 + number % 2)))
    prices = Prices(BILLION, None, None, 5 * BILLION, "provider")
    can = frozenset({"tools", "vision", "reasoning"})
    for name in ("claude-haiku-4-5", "claude-opus-4-7"):
        services.registry.add(Model("anthropic", name, prices=prices, context=200_000, capabilities=can))
    services.registry.add(Model("openai", "gpt-5.1"))
    services.registry.add(Model("local", "tiny"))
    services.database.close()


def row(terminal: Terminal, text: str) -> str:
    """The row of the screen with that text, its blanks made one."""
    return " ".join(next((line for line in terminal.screen if text in line), "").split())


def test_f2_shows_every_model_and_enter_sets_one_for_the_persona(talking: Home, server: WireServer) -> None:
    known(talking)
    with talking.ei(EI_ANTHROPIC_API_KEY="k") as t:
        t.type("half a line")
        t.press("f2")
        t.wait_for("Model for ei · now local:tiny")
        t.wait_for("Enter for ei · Ctrl-T this conversation · Ctrl-O next reply · Esc leaves")
        t.wait_for("❯● local:tiny")
        t.type("haiku")
        t.wait_for("1 of ")
        t.wait_for(lambda t: row(t, "haiku-4-5") == "❯ anthropic:claude-haiku-4-5 fast* 200k $1/$5 tvr Anthropic")
        t.wait_for(lambda t: shown(t, "reasoning, tools, vision · data goes to api.anthropic.com"))
        t.press("backspace", "backspace", "backspace", "backspace", "backspace")
        t.type("gpt")
        t.wait_for("openai has no API key yet: set EI_OPENAI_API_KEY, or: /provider openai")
        t.press("ctrl-u")
        t.type("tiny")
        t.wait_for("1 of ")
        t.press("enter")
        t.wait_for("Model for ei set to: local:tiny")
        assert prompt_line(t) == "half a line"
    assert '"local:tiny"' in talking.persona("ei").read_text("utf-8")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("ctrl-t", "Model for this conversation with ei set to: local:local-7b"),
        ("ctrl-o", "Model for the next reply of ei: local:local-7b"),
    ],
)
def test_other_keys_set_it_for_the_conversation_or_the_next_reply_only(
    talking: Home, server: WireServer, key: str, told: str
) -> None:
    known(talking)
    server.models("tiny", "local-7b")
    with talking.ei() as t:
        ask(t, "Hello")
        say(t, "/models local 7b")
        t.wait_for("search ❯ local 7b")
        t.wait_for("❯  local:local-7b")
        t.press(key)
        t.wait_for(told)
        ask(t, "And now?")
        assert shown(t, "local:local-7b ·")
        ask(t, "And after that?")
        last = [line for line in t.everything if " · " in line and " s" in line and "local:" in line][-1]
        assert ("local:local-7b" in last) == (key == "ctrl-t")


def test_in_a_narrow_window_names_prices_and_facts_can_be_read(talking: Home) -> None:
    known(talking)
    with talking.ei(columns=60, rows=20, EI_ANTHROPIC_API_KEY="k") as t:
        say(t, "/models claude")
        t.wait_for("search ❯ claude")
        t.wait_for("❯  anthropic:claude-haiku-4-5")
        t.wait_for(lambda t: row(t, "claude-opus") == "anthropic:claude-opus-4-7 200k $1/$5 tvr")
        t.wait_for("tools, vision · data goes to api.anthropic.com")
        t.wait_for("Enter for ei · Ctrl-T this conversation · Ctrl-O next reply")
        t.resize(40, 12)
        t.wait_for("❯  anthropic:claude-haiku-4-5")
        t.wait_for("Ctrl-T this conversation")
        assert row(t, "claude-opus") == "anthropic:claude-opus-4-7"
        t.resize(100, 30)
        t.wait_for(lambda t: row(t, "haiku-4-5") == "❯ anthropic:claude-haiku-4-5 fast* 200k $1/$5 tvr Anthropic")
        t.press("escape")
        t.wait_for(lambda t: not t.alternate)


def test_without_any_list_the_providers_are_asked_while_one_waits(talking: Home, server: WireServer) -> None:
    server.models("tiny", "other-9b")
    with talking.ei() as t:
        t.press("f2")
        t.wait_for("local:other-9b")
        t.press("escape")
        t.wait_for(lambda t: not t.alternate)
        ask(t, "Hello")
