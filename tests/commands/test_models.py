"""/model in all its forms, over real persona files, a real database and servers that answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.commands.base import Line, Table
from ei.commands.models import complete_model
from ei.errors import EiError, MissingKeyError, NeedsAnswerError, UsageError
from tests.bench_session import NOBODY, Bench, bench, text_of
from tests.wire import Model, WireServer

DEFAULT = "local:google/gemma-3-12b"


def file_of(home: Path, persona: str = "ei") -> Path:
    return home / "data" / "personas" / persona / "system.jsonc"


async def said(b: Bench, line: str, *, shell: bool = False) -> str:
    return text_of(await b.command(line, shell=shell))


async def refused(b: Bench, line: str, kind: type[EiError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        await b.command(line)
    return str(caught.value)


async def test_it_speaks_as_designed_with_a_server_on_this_machine(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            assert await said(b, "/model") == f"Current model for ei: {DEFAULT} (global default)"
            assert await said(b, "/model local:tiny") == "Model for ei set to: local:tiny"
            assert await said(b, "/model") == "Current model for ei: local:tiny"
            cleared = await said(b, "/model --clear")
            assert cleared == f"Model for ei cleared. Using global default: {DEFAULT}"


async def test_a_bare_name_is_a_model_of_the_local_server_and_an_alias_becomes_the_providers_name(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, EI_XAI_API_KEY="k") as b:
        assert await said(b, "/model google/gemma-3-12b") == f"Model for ei set to: {DEFAULT}"
        assert await said(b, "/model xai:grok-4") == "Model for ei set to: x:grok-4"
        assert '"model": "x:grok-4"' in file_of(tmp_path).read_text("utf-8")


async def test_setting_a_model_changes_one_value_and_leaves_every_other_byte(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        path = file_of(tmp_path)
        text = '\ufeff// mine\r\n{ "model" : "local:old", // keep\r\n  "later": [1,2,], "aliases": [],}\r\n'
        path.write_bytes(text.encode())
        await b.command("/model local:new")
        assert path.read_bytes() == text.replace("local:old", "local:new").encode()
        await b.command('/model {"exact": "local:other"}')
        assert path.read_bytes() == text.replace('"local:old"', '{"exact": "local:other"}').encode()


async def test_clearing_and_setting_again_keeps_every_comment_of_a_shipped_file(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        before = file_of(tmp_path).read_text("utf-8")
        await b.command("/model local:new")
        await b.command("/model --clear")
        after = file_of(tmp_path).read_text("utf-8")
        comments = [line for line in before.splitlines() if line.strip().startswith("//")]
        assert [line for line in after.splitlines() if line.strip().startswith("//")] == comments


async def test_a_hand_edit_shows_in_the_next_reply(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await b.command("/model local:one")
            assert (await b.say("Hi")).model == "local:one"
            path = file_of(tmp_path)
            path.write_text(path.read_text("utf-8").replace("local:one", "local:two"), "utf-8")
            assert (await b.say("Hi")).model == "local:two"
            assert await said(b, "/model") == "Current model for ei: local:two"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("gogle:gemini-2.5-pro", 'Unknown provider "gogle". Did you mean google:gemini-2.5-pro?'),
        ("llama3.2:3b", 'Unknown provider "llama3.2". Did you mean local:llama3.2:3b or ollama:llama3.2:3b?'),
        ("openai:", '"openai:" names a provider and no model. Write openai:MODEL.'),
        ("openai gpt-5", '"openai gpt-5" is no model reference. Did you mean openai:gpt-5?'),
        ("tier:quick", 'There is no tier "quick". There are: fast, balanced, smart, premium.'),
        ("profile:writer", 'There is no profile "writer". There are none yet: /profile new'),
        (
            '{"exact": ',
            'That object cannot be read: the { of line 1 is never closed. Write it like {"exact": "provider:model"}.',
        ),
        (
            '{"model": "x"}',
            (
                '{"model": "x"} is no model reference. Write "provider:model", {"exact": "provider:model"}, '
                '{"tier": "fast"} or {"profile": "ID"}.'
            ),
        ),
        ("--heer local:x", "There is no option --heer. Did you mean --here?"),
        ("--clear local:x", "--clear takes no model. To set one: /model SPEC"),
        ("--list --here", "--here and --list do not go together. See /help model."),
        ("--here", "Which model? For example: /model --here ollama:qwen3:8b"),
        ("--once why", "Which model? For example: /model --once ollama:qwen3:8b"),
        ("--list opnai", 'Unknown provider "opnai". Did you mean openai?'),
    ],
)
async def test_what_cannot_be_read_is_refused_with_the_nearest_right_form(
    tmp_path: Path, typed: str, sentence: str
) -> None:
    async with bench(tmp_path) as b:
        before = file_of(tmp_path).read_bytes()
        assert await refused(b, f"/model {typed}") == sentence
        assert file_of(tmp_path).read_bytes() == before


async def test_what_only_looks_wrong_or_has_no_key_is_set_with_one_line_of_warning_each(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY="k") as b:
        reply = await b.command("/model google:gemini/gemini-2.5-flash")
        assert text_of(reply).splitlines() == [
            "Model for ei set to: google:gemini/gemini-2.5-flash",
            "google:gemini/gemini-2.5-flash looks wrong: did you mean google:gemini-2.5-flash?",
            "google has no API key yet: set EI_GOOGLE_API_KEY, or: /provider google",
        ]
        assert [item.style for item in reply.items if isinstance(item, Line)] == ["good", "warn", "warn"]
        doubled = await said(b, "/model openai:openai:gpt-5")
        assert doubled.splitlines()[1] == "openai:openai:gpt-5 looks wrong: did you mean openai:gpt-5?"
        alone = await said(b, "/model openai")
        assert alone.splitlines()[1] == "openai is a provider: for one of its models write openai:MODEL."
        azure = await said(b, "/model azure:gpt")
        assert azure.splitlines()[1].startswith("azure has no base URL. Set EI_AZURE_BASE_URL to ")


async def test_the_companion_shows_the_default_and_what_answers_instead(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_OPENAI_API_KEY="k") as b:
        first, second, hint, last = (await said(b, "/model")).splitlines()
        assert first == f"Current model for ei: {DEFAULT} (the default; nothing else is set)"
        assert second == f"Nothing answers at {NOBODY}, so the built-in companion answers instead: builtin:eliza"
        assert hint.startswith("EI_OPENAI_API_KEY is set: /model openai:")
        assert last.startswith("Start LM Studio or Ollama here, or set a model: /model SPEC.")
        assert "ei model SPEC" in await said(b, "/model", shell=True)
        cleared = (await said(b, "/model --clear")).splitlines()
        assert cleared == [f"Model for ei cleared. Using global default: {DEFAULT}", second]


async def test_a_model_for_this_conversation_wins_and_says_so_and_ends(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            here = await said(b, "/model --here local:here")
            assert here == "Model for this conversation with ei set to: local:here"
            assert (await b.say("Hi")).model == "local:here"
            assert await said(b, "/model local:own") == (
                "Model for ei set to: local:own\n"
                "local:here still wins here; it comes from this conversation, /model --here. "
                "/model --here --clear ends that."
            )
            assert await said(b, "/model") == "Current model for ei: local:here (from this conversation, /model --here)"
            cleared = await said(b, "/model --here --clear")
            assert cleared == "Model for this conversation cleared. Using ei's system.jsonc: local:own"
            assert (await b.say("Hi")).model == "local:own"
            await b.command('/model --here {"exact": "local:object"}')
            assert (await b.say("Hi")).model == "local:object"
            await b.command("/new")
            assert (await b.say("Hi")).model == "local:own"


async def test_once_is_for_the_next_reply_only_and_can_be_taken_back(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:base") as b:
            assert await said(b, "/model --once local:treat") == "Model for the next reply of ei: local:treat"
            assert (await said(b, "/model")).splitlines() == [
                "Current model for ei: local:base (from EI_LLM_MODEL)",
                "For the next reply only: local:treat",
            ]
            assert [(await b.say("Hi")).model for _ in range(2)] == ["local:treat", "local:base"]
            await b.command("/model --once local:treat")
            taken_back = await said(b, "/model --once --clear")
            assert taken_back == "Model for the next reply cleared. Using EI_LLM_MODEL: local:base"
            assert (await b.say("Hi")).model == "local:base"
            with pytest.raises(UsageError, match="A shell has no next reply"):
                await b.command("/model --once local:x", shell=True)


async def test_variables_and_settings_stand_in_their_order(tmp_path: Path) -> None:
    with WireServer() as server:
        variables = {"EI_MODEL_REASONING": "local:interaction", "EI_LLM_MODEL": "local:environment"}
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, **variables) as b:
            assert await said(b, "/model") == "Current model for ei: local:interaction (from EI_MODEL_REASONING)"
            await b.command("/model local:own")
            assert await said(b, "/model") == "Current model for ei: local:own"
            assert (await said(b, "/model --clear")).endswith("Using EI_MODEL_REASONING: local:interaction")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await b.command("/settings default_model local:default")
            expected = "Current model for ei: local:default (from default_model in settings.jsonc)"
            assert await said(b, "/model") == expected
            await b.command("/settings interactions.reasoning.model local:thinks")
            expected = "Current model for ei: local:thinks (from interactions.reasoning.model in settings.jsonc)"
            assert await said(b, "/model") == expected
            b.services.library.set_value("ei", ("models",), {"reasoning": "local:mine"})
            assert (await said(b, "/model local:own")).splitlines()[1] == (
                "local:mine still wins here; it comes from models.reasoning in ei's system.jsonc."
            )


async def test_last_used_is_the_model_that_answered_last_and_never_one_that_nobody_chose(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path) as b:
            await b.command("/settings default_model last-used")
            assert (await b.say("Hi")).model == "builtin:eliza"
            assert "the default; nothing else is set" in await said(b, "/model")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            await b.command("/model --once local:chosen")
            await b.say("Hi")
            await b.command("/persona mike")
            assert await said(b, "/model") == (
                "Current model for mike: local:chosen (from the model used last, default_model in settings.jsonc)"
            )


async def test_a_malformed_reference_in_a_file_is_an_error_that_names_it_and_is_mended_by_setting_one(
    tmp_path: Path,
) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_MODEL="local:base") as b:
            b.services.library.set_value("ei", ("model",), "gogle:gemini")
            sentence = 'ei\'s system.jsonc: Unknown provider "gogle". Did you mean google:gemini?'
            await b.session.send("Hi")
            with pytest.raises(UsageError) as caught:
                await b.ended()
            assert str(caught.value) == sentence
            assert await refused(b, "/model") == sentence
            why = await b.command("/model why")
            assert text_of(why).splitlines()[0] == sentence
            table = why.items[1]
            assert isinstance(table, Table)
            assert table.current is not None
            assert table.rows[table.current] == ("persona", "ei's system.jsonc", "gogle:gemini")
            assert f"ei cannot answer: {sentence}" in await said(b, "/persona")
            assert await said(b, "/model local:tiny") == "Model for ei set to: local:tiny"
            await b.command("/retry")
            assert (await b.ended()).message.model == "local:tiny"
            assert server.chats[-1].model == "tiny"


async def test_setting_and_clearing_hold_although_another_place_cannot_be_read(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="gogle:x") as b:
        conversation = await b.session.ensure_conversation()
        b.services.conversations.set_model_here(conversation.id, "nobody:x")
        first, second = (await said(b, "/model local:own")).splitlines()
        assert (first, second[:44]) == (
            "Model for ei set to: local:own",
            "It is not used yet: this conversation, /mode",
        )
        await b.command("/model --here local:fine")
        await b.command("/model --here --clear")
        first, second = (await said(b, "/model --clear")).splitlines()
        assert first == "Model for ei cleared."
        assert second.startswith('EI_LLM_MODEL: Unknown provider "gogle".')


async def test_why_prints_every_step_with_its_reason(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="local:tiny") as b:
        reply = await b.command("/model why")
        head, table = reply.items
        assert head == Line("ei answers with local:tiny: the first place that is set wins.")
        assert isinstance(table, Table)
        assert [row[0] for row in table.rows] == ["1", "2", "3", "4", "4", "5", "6", "7"]
        assert table.current == 5
        assert table.rows[5] == ("5", "environment", "EI_LLM_MODEL", "local:tiny", "the first that is set")
        assert table.rows[2] == ("3", "persona", "ei's system.jsonc", "-", "not set")
    (tmp_path / "config" / ".env").parent.mkdir(exist_ok=True)
    (tmp_path / "config" / ".env").write_text("EI_LLM_MODEL=local:two\n")
    async with bench(tmp_path) as b:
        expected = "Current model for ei: local:two (from EI_LLM_MODEL, .env in the config folder)"
        assert await said(b, "/model") == expected


async def test_the_list_of_providers_says_who_is_ready_and_what_is_missing(tmp_path: Path) -> None:
    with WireServer() as server:
        variables = {"EI_LLM_BASE_URL": server.url, "EI_OPENAI_API_KEY": "secret-key", "EI_AZURE_API_KEY": "k"}
        async with bench(tmp_path, **variables) as b:
            lines = (await said(b, "/model --list")).splitlines()
            assert lines[0] == "Configured providers:"
            rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1:-1]}
            assert rows["local"] == f"✓ {server.url}"
            assert rows["openai"] == "✓ (API key set)"
            assert rows["google"] == "✗ (no API key: set EI_GOOGLE_API_KEY)"
            assert rows["ollama"] == f"✗ {NOBODY} (nothing answers)"
            assert rows["azure"] == "✗ (no address: set EI_AZURE_BASE_URL)"
            assert rows["builtin"] == "✓ (offline companion)"
            assert lines[-1] == "Their models: /model --list PROVIDER"
            assert "secret-key" not in "\n".join(lines)
            assert len({line.index("✓" if "✓" in line else "✗") for line in lines[1:-1]}) == 1


async def test_a_provider_of_ones_own_is_listed_and_used(tmp_path: Path) -> None:
    with WireServer(key="k") as server:
        async with bench(tmp_path, WORK_KEY="k") as b:
            await b.command(f'/settings providers {{"work": {{"base_url": "{server.url}", "key": "env:WORK_KEY"}}}}')
            listed = await said(b, "/model --list")
            assert any(line.split() == ["work", "✓", "(API", "key", "set)"] for line in listed.splitlines())
            assert await said(b, "/model work:tiny") == "Model for ei set to: work:tiny"
            assert (await b.say("Hi")).model == "work:tiny"
            await b.command('/settings providers {"work": {"base_url": "http://x/v1", "key": "env:GONE"}}')
            listed = await said(b, "/model --list")
            assert "✗ (providers.work.key in settings.jsonc names GONE, which is not set)" in listed


async def test_the_models_of_one_provider_are_listed_with_their_context(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models(Model("big", {"context_length": 131072}), Model("small"))
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            reply = await b.command("/model --list lmstudio")
            assert reply.items == (Table(("model", "context"), (("local:big", "131,072"), ("local:small", ""))),)
            assert ("local:big", "local") not in complete_model(b.session, ("",))
            assert "local:big" in dict(complete_model(b.session, ("",)))
            server.models()
            assert await said(b, "/model --list local") == "local lists no chat models."
            assert await refused(b, "/model --list google", MissingKeyError) == (
                "google has no API key. Set EI_GOOGLE_API_KEY, or: /provider google"
            )


async def test_picking_sets_what_was_chosen_from_what_answers(tmp_path: Path) -> None:
    with WireServer() as server:
        server.models("tiny", "other")
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url) as b:
            b.ui.keys = ["local:other", None]
            assert await said(b, "/model pick") == "Model for ei set to: local:other"
            offered = {choice.key: choice for choice in b.ui.offered[0]}
            assert offered["local:tiny"].dimmed == ""
            google = next(c for c in offered.values() if c.key.startswith("google:"))
            assert google.dimmed == "google has no API key yet: set EI_GOOGLE_API_KEY, or: /provider google"
            assert await said(b, "/model pick") == ""
            b.ui.keys = ["local:tiny"]
            assert await said(b, "/model --here pick") == "Model for this conversation with ei set to: local:tiny"
            b.ui.interactive = False
            with pytest.raises(NeedsAnswerError, match="needs the chat"):
                await b.command("/model pick", shell=True)


async def test_completion_knows_what_each_word_may_be(tmp_path: Path) -> None:
    async with bench(tmp_path, EI_LLM_MODEL="builtin:eliza") as b:
        await b.say("Hi")
        first = dict(complete_model(b.session, ("",)))
        assert first["why"] == "every step and its reason"
        assert first["builtin:eliza"] == "used lately"
        assert list(dict(complete_model(b.session, ("-",)))) == ["--clear", "--list", "--here", "--once"]
        assert "openai" in dict(complete_model(b.session, ("--list", "")))
        assert "why" not in dict(complete_model(b.session, ("--here", "")))
        assert complete_model(b.session, ("local:x", "")) == []
