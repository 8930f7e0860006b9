"""Every way to choose a model, in one conversation: tier, profile, exact model, fallback, retry, the best of three."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.chat.homes import Home, ask, say, shown, toolbar
from tests.wire import Answer, Status, WireServer

SETTINGS = {
    "retry": {"attempts": 1},
    "llm_profiles": [
        {
            "id": "creative",
            "model": "groq:wide",
            "temperature": 0.9,
            "extra_params": {"min_p": 0.05},
            "prompt_note": {"groq": "Be bold."},
        }
    ],
}
PERSONA = {"short_description": "Tells of rain.", "fallback": ["local:tiny"]}


@pytest.fixture
def providers() -> Iterator[tuple[WireServer, WireServer, WireServer]]:
    """This machine with two models, groq with one, Anthropic with one; each model says its own name."""
    with WireServer() as local, WireServer(key="groq-key") as groq, WireServer(key="claude-key") as claude:
        local.models("google/gemma-3-4b", "tiny")
        groq.models("wide")
        claude.models("claude-haiku-4-5")
        local.always(lambda request: Answer(f"Says {request.model}."))
        groq.reply("Says wide.")
        claude.reply("Says haiku.")
        yield local, groq, claude


@pytest.fixture
def rain(home: Home, providers: tuple[WireServer, WireServer, WireServer]) -> Home:
    """A home with those three, a profile, and a persona ada who has a fallback."""
    local, groq, claude = providers
    home.variables.update(
        EI_LLM_BASE_URL=local.url,
        EI_LLM_MODEL="local:tiny",
        EI_GROQ_BASE_URL=groq.url,
        EI_GROQ_API_KEY="groq-key",
        EI_ANTHROPIC_BASE_URL=claude.anthropic_url,
        EI_ANTHROPIC_API_KEY="claude-key",
    )
    home.settings.parent.mkdir(parents=True)
    home.settings.write_text(json.dumps(SETTINGS), "utf-8")
    file = home.persona("ada")
    file.parent.mkdir(parents=True)
    file.write_text("// mine\n" + json.dumps(PERSONA), "utf-8")
    return home


def test_a_conversation_by_tier_profile_model_fallback_retry_and_comparison(
    rain: Home, providers: tuple[WireServer, WireServer, WireServer]
) -> None:
    local, groq, claude = providers
    with rain.ei("-p", "ada", columns=110, rows=40) as t:
        say(t, "/models sync")
        t.wait_for(lambda t: shown(t, "0 gone."))

        say(t, "/model tier:fast")
        t.wait_for(lambda t: shown(t, "tier:fast is local:google/gemma-3-4b today (4 billion parameters)"))
        ask(t, "By tier")
        assert local.last.model == "google/gemma-3-4b"
        assert shown(t, "Says google/gemma-3-4b.")

        say(t, "/model profile:creative")
        t.wait_for("Model for ada set to: profile:creative")
        ask(t, "By profile")
        assert (groq.last.model, groq.last.body["temperature"], groq.last.body["min_p"]) == ("wide", 0.9, 0.05)
        assert groq.last.messages[0][1].endswith("## Keep in mind\n\nBe bold.")

        say(t, "/model anthropic:claude-haiku-4-5")
        t.wait_for("Model for ada set to: anthropic:claude-haiku-4-5")
        ask(t, "By its name")
        assert claude.last.model == "claude-haiku-4-5"
        assert "temperature" not in claude.last.body

        claude.always(Status(529))
        ask(t, "Who else?")
        assert shown(t, "anthropic is busy (529). local:tiny answers instead (fallback of ada).")
        assert shown(t, "Says tiny.")
        t.wait_for(lambda t: "local:tiny (fallback)" in toolbar(t))

        ask(t, "/retry --with profile:creative")
        assert shown(t, "variant 2 of 2")

        claude.reply("Says haiku.")
        say(t, "/compare tier:fast profile:creative anthropic:claude-haiku-4-5 -- Which one?")
        t.wait_for("3 replies")
        assert t.alternate
        t.wait_for(lambda t: any("Says google/gemma-3-4b. " in row and "Says wide." in row for row in t.screen))
        t.press("3")
        t.wait_for("kept anthropic:claude-haiku-4-5 over ")
        assert not t.alternate
        assert shown(t, "variant 3 of 3")

        ask(t, "And now?")
        assert [text for _, text in claude.last.messages if text.startswith("Says")] == [
            "Says google/gemma-3-4b.",
            "Says wide.",
            "Says haiku.",
            "Says wide.",
            "Says haiku.",
        ]
        say(t, "/info")
        t.wait_for(lambda t: shown(t, "asked for anthropic:claude-haiku-4-5"))
        say(t, "/stats compare")
        t.wait_for(lambda t: shown(t, "anthropic:claude-haiku-4-5 groq:wide (profile:creative) 1 1"))
        say(t, "/quit")
        assert t.wait_exit() == 0
    assert rain.persona("ada").read_text("utf-8").startswith("// mine\n")
    replies = [(state, text) for role, _, state, text in rain.messages() if role == "assistant"]
    assert replies == [
        ("complete", text)
        for text in (
            "Says google/gemma-3-4b.",
            "Says wide.",
            "Says haiku.",
            "Says tiny.",
            "Says wide.",
            "Says google/gemma-3-4b.",
            "Says wide.",
            "Says haiku.",
            "Says haiku.",
        )
    ]
