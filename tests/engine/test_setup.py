"""What /setup finds: servers and by which provider each is reached, keys and whether they are good, what is private."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ei import jsonc
from ei.engine.own import Privacy
from ei.engine.setup import Findings, edited, find, likely_first, try_key
from tests.bench_session import NOBODY, Bench, bench
from tests.model_servers import llamacpp, silent, studio, vllm
from tests.ollama import OllamaServer
from tests.wire import Status, WireServer

KEY = "sk-test-0123456789-tail"


async def found(b: Bench, *usual: str, private: bool = False) -> Findings:
    return await find(b.services, Privacy("settings.jsonc") if private else Privacy(), usual)


def written(home: Path, text: str) -> None:
    (home / "config").mkdir(parents=True, exist_ok=True)
    (home / "config" / "settings.jsonc").write_text(text, "utf-8")


def reached(findings: Findings) -> list[tuple[str, str, Sequence[str]]]:
    return [(each.provider, each.server.kind, sorted(each.settings)) for each in findings.servers]


async def test_a_server_at_a_configured_address_is_reached_already(tmp_path: Path) -> None:
    with studio("gemma") as local, OllamaServer() as ollama:
        ollama.install("qwen3:8b")
        async with bench(tmp_path, EI_LLM_BASE_URL=local.url, EI_OLLAMA_BASE_URL=ollama.url) as b:
            findings = await found(b, local.url, f"{ollama.url}/v1", NOBODY)
            assert reached(findings) == [("local", "lmstudio", []), ("ollama", "ollama", [])]
            assert findings.ollama is findings.servers[1]
            assert findings.silent == ()


async def test_a_server_elsewhere_becomes_local_where_local_is_used_by_nobody(tmp_path: Path) -> None:
    with llamacpp("tiny") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL="") as b:
            (each,) = (await found(b, server.url)).servers
            assert (each.provider, each.settings) == ("local", {"base_url": server.url})


async def test_where_local_is_used_it_gets_a_provider_of_its_own(tmp_path: Path) -> None:
    with studio("gemma") as local, llamacpp("tiny") as server, vllm("qwen") as third:
        async with bench(tmp_path, EI_LLM_BASE_URL=local.url) as b:
            findings = await found(b, server.url, third.url)
            assert reached(findings) == [
                ("local", "lmstudio", []),
                (f"llamacpp-{server.port}", "llamacpp", ["base_url", "label", "wire"]),
                (f"vllm-{third.port}", "vllm", ["base_url", "label", "wire"]),
            ]


async def test_an_address_that_the_person_wrote_down_is_not_taken_away_although_nothing_answers(tmp_path: Path) -> None:
    written(tmp_path, '{"providers": {"local": {"base_url": "http://127.0.0.1:9/v1"}}}')
    with llamacpp("tiny") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL="") as b:
            findings = await found(b, server.url)
            assert [each.provider for each in findings.servers] == [f"llamacpp-{server.port}"]
            assert [url for _, url in findings.silent] == ["http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1"]


async def test_only_the_first_of_two_becomes_local(tmp_path: Path) -> None:
    with llamacpp("tiny") as one, vllm("qwen") as two:
        async with bench(tmp_path, EI_LLM_BASE_URL="") as b:
            names = [each.provider for each in (await found(b, one.url, two.url)).servers]
            assert names == ["local", f"vllm-{two.port}"]


async def test_an_ollama_elsewhere_becomes_ollama_or_a_provider_that_speaks_its_api(tmp_path: Path) -> None:
    with OllamaServer() as one, OllamaServer() as two:
        async with bench(tmp_path, EI_OLLAMA_BASE_URL="") as b:
            findings = await found(b, f"{one.url}/v1", f"{two.url}/v1")
            assert [each.provider for each in findings.servers] == ["ollama", f"ollama-{two.port}"]
            assert findings.servers[0].settings == {"base_url": f"{one.url}/v1"}
            assert findings.servers[1].settings["wire"] == "ollama"
            assert findings.ollama is None


async def test_a_provider_of_the_persons_own_is_known_by_its_address(tmp_path: Path) -> None:
    with llamacpp("tiny") as server:
        written(tmp_path, f'{{"providers": {{"work": {{"base_url": "http://localhost:{server.port}/v1"}}}}}}')
        async with bench(tmp_path) as b:
            assert reached(await found(b, server.url)) == [("work", "llamacpp", [])]


async def test_a_local_server_with_a_key_is_asked_with_the_key_that_it_has(tmp_path: Path) -> None:
    with vllm("qwen", key=KEY) as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_API_KEY=KEY) as b:
            (each,) = (await found(b)).servers
            assert (each.models, each.server.needs_key) == (("qwen",), False)
        async with bench(tmp_path, EI_LLM_BASE_URL=server.url, EI_LLM_API_KEY=KEY + "x") as b:
            (each,) = (await found(b)).servers
            assert (each.models, each.server.needs_key) == ((), True)
            assert "401" in each.server.problem


async def test_what_hangs_is_told_as_silent_and_holds_nobody_up(tmp_path: Path) -> None:
    with silent() as hanging, llamacpp("tiny") as server:
        async with bench(tmp_path, EI_LLM_BASE_URL=hanging) as b:
            findings = await found(b, server.url)
            assert [each.provider for each in findings.servers] == [f"llamacpp-{server.port}"]
            assert hanging in [url for _, url in findings.silent]


async def test_what_would_be_found_does_not_offer_what_wants_a_password_at_a_usual_port(tmp_path: Path) -> None:
    with WireServer(key="secret") as server:
        async with bench(tmp_path) as b:
            assert (await found(b, server.url)).servers == ()


async def test_keys_are_told_by_their_variable_and_tested(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        server.models("gpt-5.1", "gpt-5-mini")
        addresses = {"EI_OPENAI_BASE_URL": server.url, "EI_GROQ_BASE_URL": server.url, "EI_MISTRAL_BASE_URL": NOBODY}
        keys = {"OPENAI_API_KEY": KEY, "GROQ_API_KEY": "gsk-wrong-0123456789", "EI_MISTRAL_API_KEY": "m" * 20}
        async with bench(tmp_path, **addresses, **keys) as b:
            findings = await found(b)
            told = {each.provider: (each.source, each.works, each.models) for each in findings.keys}
            assert told == {
                "openai": ("OPENAI_API_KEY", True, ("gpt-5.1", "gpt-5-mini")),
                "groq": ("GROQ_API_KEY", False, ()),
                "mistral": ("EI_MISTRAL_API_KEY", False, ()),
            }
            assert KEY not in repr(findings)
            assert server.chats == []


async def test_a_key_behind_a_lock_is_not_opened_for_a_look(tmp_path: Path) -> None:
    written(tmp_path, '{"providers": {"openai": {"key": "cmd:false"}}}')
    with WireServer() as server:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url) as b:
            (keyed,) = (await found(b)).keys
            assert (keyed.provider, keyed.looked, keyed.works) == ("openai", None, True)
            assert server.connections == 0


async def test_where_it_is_private_no_provider_on_the_network_is_asked(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server, llamacpp("tiny") as local:
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY, EI_LLM_BASE_URL=local.url) as b:
            findings = await found(b, private=True)
            assert (findings.keys, reached(findings)) == ((), [("local", "llamacpp", [])])
            assert server.connections == 0


async def test_a_key_is_tested_before_it_is_kept_anywhere(tmp_path: Path) -> None:
    with WireServer(key=KEY) as server:
        server.models("gpt-5.1")
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-old-and-wrong-key") as b:
            good, bad = (
                await try_key(b.services, "openai", KEY),
                await try_key(b.services, "openai", "sk-other-wrong-1"),
            )
            assert (good.works, [model.id for model in good.models]) == (True, ["gpt-5.1"])
            assert (bad.works, bad.steps[-1].name) == (False, "key")
            assert b.services.keys.redactor.hide(f"x {KEY} y").count(KEY) == 0
            assert not (tmp_path / "config" / "settings.jsonc").exists()


async def test_a_list_that_anybody_gets_proves_no_key(tmp_path: Path) -> None:
    with WireServer() as server:
        async with bench(tmp_path, EI_OPENROUTER_BASE_URL=server.url) as b:
            looked = await try_key(b.services, "openrouter", KEY)
            assert [(step.name, step.works) for step in looked.steps] == [
                ("reach", True),
                ("key", None),
                ("models", True),
            ]


async def test_a_provider_that_is_out_of_order_is_no_key_that_is_wrong(tmp_path: Path) -> None:
    with WireServer() as server:
        server.pages = Status(500, "down")
        async with bench(tmp_path, EI_OPENAI_BASE_URL=server.url) as b:
            looked = await try_key(b.services, "openai", KEY)
            assert (looked.works, looked.steps[-1].name) == (False, "models")


async def test_preferred_models_come_first(tmp_path: Path) -> None:
    written(tmp_path, '{"providers": {"openai": {"default_model": "b", "preferred_models": ["d", "gone"]}}}')
    async with bench(tmp_path) as b:
        assert likely_first(b.services, "openai", ("a", "b", "c", "d")) == ("b", "d", "a", "c")


def test_one_change_writes_provider_and_default_and_keeps_comments() -> None:
    before = '{\n  // mine\n  "providers": {"work": {"label": "W"}}\n}\n'
    after = edited(before, "local", {"base_url": "http://127.0.0.1:8080/v1"}, "local:tiny", "x")
    assert jsonc.loads(after, "x") == {
        "providers": {"work": {"label": "W"}, "local": {"base_url": "http://127.0.0.1:8080/v1"}},
        "default_model": "local:tiny",
    }
    assert "// mine" in after
    assert edited(before, "local", {}, "", "x") == before
