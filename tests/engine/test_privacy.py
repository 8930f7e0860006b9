"""What is private stays: on every way out, a server that counts connections stands for the network and gets none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from ei.config import ConfigFile
from ei.conversations.values import State
from ei.engine.events import Refused
from ei.engine.own import everything, host_entry, is_own_host
from ei.engine.syncing import sync, sync_if_old
from ei.errors import EiError, PrivateError, UsageError
from ei.models.interactions import REASONING
from ei.models.reference import ModelId
from ei.models.values import Model, Prices
from tests.bench_session import NOBODY, Bench, bench, variables
from tests.wire import Answer, Status, WireServer

CLOUD = "openai:big"
Way = Callable[[Bench], Awaitable[object]]


@pytest.fixture
def cloud() -> Iterator[WireServer]:
    """Stands for every provider on the network."""
    with WireServer() as server:
        server.models("big", "other")
        yield server


@pytest.fixture
def here() -> Iterator[WireServer]:
    """The server on this machine."""
    with WireServer() as server:
        server.reply("I am here.")
        server.models("tiny")
        yield server


def elsewhere(server: WireServer) -> str:
    """An address of the server that is not written as this machine's, as that of a host in the house is not."""
    return f"http://127.1:{server.port}/v1"


def on_the_network(cloud: WireServer) -> dict[str, str]:
    """Variables by which the providers on the network are that server."""
    return {
        "EI_OPENAI_API_KEY": "k",
        "EI_OPENAI_BASE_URL": cloud.url,
        "EI_GROQ_API_KEY": "k",
        "EI_GROQ_BASE_URL": cloud.url,
        "EI_ANTHROPIC_API_KEY": "k",
        "EI_ANTHROPIC_BASE_URL": cloud.anthropic_url,
    }


@asynccontextmanager
async def talking(
    home: Path,
    cloud: WireServer,
    here: WireServer | None = None,
    settings: Mapping[str, object] | None = None,
    /,
    **more: str,
) -> AsyncIterator[Bench]:
    """A session with the persona ei in which nothing is tried twice; more: variables."""
    (home / "config").mkdir(parents=True, exist_ok=True)
    written = {
        "retry": {"attempts": 1},
        "models": {"paid": ["openai"]},
        "llm_profiles": [{"id": "mine", "model": CLOUD, "api_key_ref": "OTHER_KEY"}],
        **(settings or {}),
    }
    (home / "config" / "settings.jsonc").write_text(json.dumps(written), "utf-8")
    found = {"EI_LLM_MODEL": CLOUD, "OTHER_KEY": "k", "EI_LLM_BASE_URL": here.url if here else NOBODY}
    async with bench(home, "ei", **on_the_network(cloud) | found | more) as b:
        b.services.registry.add(Model("openai", "big", tier="smart", prices=Prices(1, 1)))
        b.services.registry.set_tier(CLOUD, "smart")
        yield b


async def settled(b: Bench) -> None:
    """Waits until no reply is under way."""
    async with asyncio.timeout(10):
        while b.session.running():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def say(b: Bench, text: str = "Hello", to: str = "") -> None:
    """Sends a text and waits for what comes of it, be it a refusal."""
    with suppress(EiError):
        await b.session.send(text, to)
    await settled(b)


async def do(b: Bench, line: str, **how: bool) -> None:
    """Gives a command and waits for what comes of it, be it a refusal."""
    with suppress(EiError):
        await b.command(line, **how)
    await settled(b)


# The ways out -----------------------------------------------------------------------------------------------


async def reply(b: Bench) -> None:
    await say(b)


async def guest(b: Bench) -> None:
    b.services.library.set_value("lena", ("model",), CLOUD)
    await do(b, "/model --here local:tiny")
    await say(b, "Hello", "lena")


async def agreed(question: str, details: Sequence[str]) -> bool:
    return True


async def fallback(b: Bench) -> None:
    b.session.may_cost_more = agreed
    b.services.library.set_value("ei", ("fallback",), [CLOUD, "tier:smart"])
    await do(b, "/model --here ollama:dead")
    await say(b)


async def tier(b: Bench) -> None:
    await do(b, "/model --here tier:smart")
    await say(b)


async def profile(b: Bench) -> None:
    await do(b, "/model --here profile:mine")
    await say(b)


async def compare(b: Bench) -> None:
    b.ui.picked.append(None)
    await do(b, "/compare openai:big groq:other -- Which one?")


async def retry(b: Bench) -> None:
    await do(b, "/model --here local:tiny")
    await say(b)
    await do(b, "/model --here openai:big")
    await do(b, "/retry")


async def retry_with(b: Bench) -> None:
    await do(b, "/model --here local:tiny")
    await say(b)
    await do(b, "/retry --with groq:other")


async def go_on(b: Bench) -> None:
    await do(b, "/model --here local:tiny")
    await say(b)
    await do(b, "/model --here openai:big")
    await do(b, "/continue")


async def edit(b: Bench) -> None:
    await do(b, "/model --here local:tiny")
    await say(b)
    await do(b, "/model --here openai:big")
    await do(b, "/edit Something else")


async def once(b: Bench) -> None:
    await do(b, "/model --here local:tiny")
    await do(b, "/model --once anthropic:claude")
    await say(b)


async def from_the_command_line(b: Bench) -> None:
    b.session.request = CLOUD
    await say(b)


async def fork(b: Bench) -> None:
    await do(b, "/model --here local:tiny")
    await say(b)
    await do(b, "/fork")
    await do(b, "/model --here openai:big")
    await say(b, "And now?")


async def draft(b: Bench) -> None:
    await do(b, "/persona new zed a calm pilot", yes=True)


async def trial_of_a_model(b: Bench) -> None:
    await do(b, "/models test openai:big", yes=True)


async def lists(b: Bench) -> None:
    await do(b, "/models sync")
    with suppress(EiError):
        await sync(b.services, ["openai", "groq"])


async def lists_in_the_background(b: Bench) -> None:
    await sync_if_old(b.services)


async def list_of_one(b: Bench) -> None:
    await do(b, "/model --list openai")


async def picker(b: Bench) -> None:
    b.ui.keys.append(None)
    await do(b, "/model pick")


async def trial_of_a_provider(b: Bench) -> None:
    await do(b, "/provider test openai", yes=True)


async def trial_of_all_providers(b: Bench) -> None:
    await do(b, "/provider test --all", yes=True)


SAID: tuple[Way, ...] = (
    reply, guest, fallback, tier, profile, compare, retry, retry_with, go_on, edit, once, from_the_command_line, fork,
)  # fmt: skip
"""What belongs to a conversation."""
BESIDE: tuple[Way, ...] = (
    trial_of_a_model, lists, lists_in_the_background, list_of_one, picker, trial_of_a_provider, trial_of_all_providers,
)  # fmt: skip
"""What belongs to none: private only where everything is."""


async def everything_is(b: Bench) -> None:
    await b.command("/private on")


async def the_persona_is(b: Bench) -> None:
    b.services.library.set_value("ei", ("private",), True)


async def the_conversation_is(b: Bench) -> None:
    await b.command("/private here")


async def a_guest_was(b: Bench) -> None:
    """otto, who is private, was asked, and is not private any more."""
    b.services.library.set_value("otto", ("private",), True)
    b.services.library.set_value("otto", ("model",), "local:tiny")
    await say(b, "A secret", "otto")
    b.services.library.set_value("otto", ("private",), False)


async def a_guest_is(b: Bench) -> None:
    """otto was asked, and became private later."""
    b.services.library.set_value("otto", ("model",), "local:tiny")
    await say(b, "A secret", "otto")
    b.services.library.set_value("otto", ("private",), True)


async def counted(cloud: WireServer, b: Bench, way: Way) -> int:
    """How many connections a way out makes."""
    before = cloud.connections
    await way(b)
    return cloud.connections - before


@pytest.mark.parametrize("why", [everything_is, the_persona_is, the_conversation_is, a_guest_was, a_guest_is])
@pytest.mark.parametrize("way", SAID)
async def test_nothing_of_what_is_private_leaves(
    tmp_path: Path, cloud: WireServer, here: WireServer, way: Way, why: Way
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await why(b)
        assert await counted(cloud, b, way) == 0


@pytest.mark.parametrize("way", [*BESIDE, draft])
async def test_nothing_leaves_beside_conversations_where_everything_is_private(
    tmp_path: Path, cloud: WireServer, here: WireServer, way: Way
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await everything_is(b)
        assert await counted(cloud, b, way) == 0


LOOKS = ("/provider", "/provider show openai", "/model", "/model why", "/model --list", "/models", "/ollama", "/prompt")


@pytest.mark.parametrize("line", LOOKS)
async def test_nothing_leaves_where_a_person_only_looks(
    tmp_path: Path, cloud: WireServer, here: WireServer, line: str
) -> None:
    async with talking(tmp_path, cloud, here, EI_OLLAMA_BASE_URL=elsewhere(cloud)) as b:
        await everything_is(b)
        b.ui.keys.append(None)
        await do(b, line)
        assert cloud.connections == 0


@pytest.mark.parametrize("way", [*SAID, *BESIDE, draft])
async def test_the_same_ways_lead_out_where_nothing_is_private(
    tmp_path: Path, cloud: WireServer, here: WireServer, way: Way
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        assert await counted(cloud, b, way) > 0


async def test_a_private_personas_draft_does_not_leave(tmp_path: Path, cloud: WireServer, here: WireServer) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await the_persona_is(b)
        assert await counted(cloud, b, draft) == 0
        problem = text_of_shown(b)
        assert "ei is private, and openai is not on this machine." in problem


def text_of_shown(b: Bench) -> str:
    return "\n".join(str(item) for shown in b.ui.shown for item in shown.items)


async def test_a_chat_that_is_not_saved_is_kept_here_as_well(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await b.session.set_incognito(True)
        await the_conversation_is(b)
        assert await counted(cloud, b, reply) == 0


async def test_what_is_loaded_before_the_first_reply_connects_to_nobody(tmp_path: Path, cloud: WireServer) -> None:
    async with talking(tmp_path, cloud) as b:
        await everything_is(b)
        for provider in ("openai", "anthropic"):
            await asyncio.to_thread(b.services.providers.warm, provider)
        assert cloud.connections == 0


async def test_a_local_server_on_another_machine_is_not_even_looked_for(tmp_path: Path, cloud: WireServer) -> None:
    """With nothing set the built-in companion answers what is private."""
    remote = {"EI_LLM_BASE_URL": elsewhere(cloud), "EI_OLLAMA_BASE_URL": elsewhere(cloud), "EI_LLM_MODEL": ""}
    async with talking(tmp_path, cloud, **remote) as b:
        b.services.library.set_value("ei", ("private",), True)
        message = await b.say("Hello")
        assert (message.state, message.model, cloud.connections) == (State.COMPLETE, "builtin:eliza", 0)
        found = await b.session.resolution()
        reasons = {step.number: step.reason for step in found.steps}
        assert (reasons[7], reasons[8]) == ("private: not on this machine", "private: not on this machine")
        b.services.library.set_value("ei", ("private",), False)
        await b.command("/private here off", yes=True)
        assert (await b.say("Hello")).model == "local:google/gemma-3-12b"
        assert cloud.connections > 0


async def test_a_host_of_ones_own_may_be_asked_and_never_through_a_proxy(
    tmp_path: Path, cloud: WireServer, here: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cloud stands for the proxy of the environment."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{cloud.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{cloud.port}")
    where = {"EI_LLM_BASE_URL": elsewhere(here), "EI_LLM_MODEL": "local:tiny"}
    async with talking(tmp_path, cloud, here, {"own_hosts": ["127.1"]}, **where) as b:
        await everything_is(b)
        assert (await b.say("Hello")).text == "I am here."
        await b.command("/models sync local")
        assert (len(here.chats), cloud.connections) == (1, 0)
        await b.command("/private off")
        await b.command("/private hosts remove 127.1")
        await say(b)
        assert (len(here.chats), cloud.connections > 0) == (1, True)


async def test_a_tier_is_what_stays_here_and_the_others_lose_with_the_reason(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await the_conversation_is(b)
        await do(b, "/model --here tier:smart")
        with pytest.raises(UsageError, match="No model fits tier:smart on this machine, and what is asked is private"):
            await b.session.resolution()
        b.services.registry.add(Model("local", "tiny", tier="smart"))
        b.services.registry.set_tier("local:tiny", "smart")
        found = await b.session.resolution()
        assert str(found.model) == "local:tiny"
        assert found.choice is not None
        lost = {each.model.id: each.lost for each in found.choice.contenders if each.lost}
        assert lost[CLOUD] == "private: not on this machine"
        assert (await b.say("Hello")).text == "I am here."


async def test_a_fallback_elsewhere_is_passed_over_and_one_here_answers(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await the_persona_is(b)
        b.services.library.set_value("ei", ("fallback",), [CLOUD, "local:tiny"])
        await do(b, "/model --here ollama:dead")
        message = await b.say("Hello")
        assert (message.text, message.model, cloud.connections) == ("I am here.", "local:tiny", 0)
        assert "openai:big is passed over (fallback of ei): private: not on this machine." in b.told()


async def test_it_is_refused_with_one_sentence_and_the_message_is_kept(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await a_guest_is(b)
        await say(b, "Do you know it?")
        (refused,) = [event for event in b.events if isinstance(event, Refused)]
        assert refused.error.sentence == "This conversation is private (otto is), and openai is not on this machine."
        assert refused.error.hint == "Pick a model on this machine: /model SPEC, or let it leave: /private here off"
        assert (await b.path())[-1] == ("you", "Do you know it?")
        assert b.services.calls.calls(limit=1)[0].provider == "local"
        await do(b, "/model --here local:tiny")
        await do(b, "/retry")
        assert (await b.path())[-1] == ("ei", "I am here.")


async def test_a_conversation_becomes_private_while_a_busy_server_is_waited_for(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    cloud.script(Status(503, retry_after=1), Answer("too late"))
    async with talking(tmp_path, cloud, here, {"retry": {"attempts": 3}}) as b:
        await b.session.send("Hello")
        await asyncio.to_thread(cloud.wait_for, 1)
        await b.command("/private on")
        message = (await b.ended()).message
        assert (message.state, message.error.split(",")[0]) == (State.FAILED, "Everything is private")
        assert len(cloud.chats) == 1
        assert [call.outcome for call in b.services.calls.calls()] == ["failed"]


async def test_a_private_guest_makes_it_so_says_it_and_copies_keep_it(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, here) as b:
        await a_guest_was(b)
        assert b.told()[0] == (
            "otto is private, so this conversation is from now on: it stays on this machine. /private"
        )
        conversation = b.session.conversation
        assert conversation is not None
        messages = await b.session.db(b.session.store.messages, conversation.id)
        assert [message.private for message in messages] == [True, True]
        copy = await b.session.db(b.session.store.fork, conversation.id)
        assert copy.private_messages == 2
        await b.session.db(b.session.store.set_private, copy.id, True)
        assert (await b.session.db(b.session.store.fork, copy.id)).private
        await b.session.resume(copy.id)
        assert await counted(cloud, b, reply) == 0


async def test_what_waits_its_turn_stays_private(tmp_path: Path, cloud: WireServer, here: WireServer) -> None:
    here.script(Answer("One", delay=0.2))
    async with talking(tmp_path, cloud, here, EI_LLM_MODEL="local:tiny") as b:
        b.services.library.set_value("otto", ("private",), True)
        await b.session.send("First")
        await b.session.send("A secret", "otto")
        await settled(b)
        await b.until(lambda: len(here.chats) == 2)
        await settled(b)
        assert b.session.conversation is not None
        messages = await b.session.db(b.session.store.messages, b.session.conversation.id)
        assert [message.private for message in messages] == [False, False, True, True]


async def test_a_model_that_a_server_here_sends_on_does_not_count_as_here(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    async with talking(tmp_path, cloud, EI_OLLAMA_BASE_URL=here.url) as b:
        await everything_is(b)
        with pytest.raises(PrivateError, match="sends what gpt-oss:120b-cloud gets on to a server on the network"):
            b.services.gate.check("ollama", "gpt-oss:120b-cloud")
        b.services.gate.check("ollama", "gpt-oss:20b")


async def test_a_profile_at_an_address_of_its_own_here_may_be_asked_and_one_with_a_key_alone_may_not(
    tmp_path: Path, cloud: WireServer, here: WireServer
) -> None:
    profiles = [
        {"id": "house", "model": "openai:tiny", "base_url": here.url},
        {"id": "mine", "model": CLOUD, "api_key_ref": "OTHER_KEY"},
    ]
    settings = {"llm_profiles": profiles, "providers": {"openai": {"label": "Ours"}}}
    async with talking(tmp_path, cloud, here, settings) as b:
        named = b.services.chooser.named
        house = named("profile:house", b.session.persona, REASONING).model
        mine = named("profile:mine", b.session.persona, REASONING).model
        assert [b.services.chooser.is_own(model.provider) for model in (house, mine, ModelId("openai", "x"))] == [
            True,
            False,
            False,
        ]


# Pure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "own", "expected"),
    [
        ("llm.home", ["LLM.home."], True),
        ("llm.home", ["home"], False),
        ("evil-llm.home", ["llm.home"], False),
        ("192.168.1.20", ["192.168.1.0/24"], True),
        ("192.168.2.20", ["192.168.1.0/24"], False),
        ("10.8.3.4", ["llm.home", "10.8.3.4"], True),
        ("fd00::7", ["fd00::/16"], True),
        ("::ffff:192.168.1.20", ["192.168.1.20"], True),
        ("3232235796", ["192.168.1.20"], False),
        ("192.168.1.20.evil.example", ["192.168.1.0/24"], False),
        ("", [""], False),
    ],
)
def test_hosts_are_ones_own_by_what_is_written(host: str, own: list[str], expected: bool) -> None:
    assert is_own_host(host, own) is expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("LLM.Home.", "llm.home"),
        ("http://llm.home:8080/v1", "llm.home"),
        ("llm.home:8080", "llm.home"),
        ("10.8.3.4", "10.8.3.4"),
        ("10.8.3.4/16", "10.8.0.0/16"),
        ("[fd00::7]:8080", "fd00::7"),
        ("fd00::/16", "fd00::/16"),
    ],
)
def test_a_host_is_kept_without_what_belongs_to_an_url(typed: str, expected: str) -> None:
    assert host_entry(typed) == expected


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("0.0.0.0/0", "0.0.0.0/0 is too wide to be your own."),
        ("::/0", "::/0 is too wide to be your own."),
        ("127.0.0.1", "127.0.0.1 is this machine: it needs no mark."),
        ("localhost", "localhost is this machine: it needs no mark."),
        ("a b", '"a b" is no host.'),
        ("", '"" is no host.'),
        ("300.1.1.1", '"300.1.1.1" is no host.'),
    ],
)
def test_what_is_no_host_of_ones_own_is_refused(typed: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        host_entry(typed)
    assert caught.value.sentence == sentence


@pytest.mark.parametrize(
    ("variable", "folder", "setting", "expected"),
    [
        ("", "", False, ""),
        ("", "", True, "settings.jsonc"),
        ("on", "", False, "EI_PRIVATE (environment)"),
        ("1", "", False, "EI_PRIVATE (environment)"),
        ("off", "", True, ""),
        ("", "on", False, "EI_PRIVATE (.env in this folder)"),
        ("", "off", True, "settings.jsonc"),
    ],
)
def test_a_folder_can_switch_it_on_and_never_off(
    tmp_path: Path, variable: str, folder: str, setting: bool, expected: str
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.jsonc").write_text(json.dumps({"private": setting}), "utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".env").write_text(f"EI_PRIVATE={folder}\n" if folder else "", "utf-8")
    environment = variables(tmp_path, **({"EI_PRIVATE": variable} if variable else {}))
    assert everything(ConfigFile(environment, tmp_path / "folder").current()).everywhere == expected
