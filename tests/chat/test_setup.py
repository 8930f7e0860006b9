"""/setup, typed: from an empty folder to a conversation, left at each step, and a key that is kept where asked."""

from __future__ import annotations

from pathlib import Path

from ei import jsonc
from tests.chat.homes import Home, ask, prompt_line, say, shown, times
from tests.drive import Terminal
from tests.model_servers import llamacpp
from tests.ollama import OllamaServer
from tests.wire import WireServer

KEY = "sk-test-0123456789abcdef-tail"
MENU = "What is to answer?"


def settings(home: Home) -> object:
    return jsonc.loads(home.settings.read_text("utf-8"), "settings.jsonc") if home.settings.exists() else None


def to_menu(terminal: Terminal) -> None:
    say(terminal, "/setup")
    terminal.wait_for(MENU)


def pick(terminal: Terminal, words: str, then: str) -> None:
    """Narrows the list to a row, chooses it, and waits for what comes next."""
    terminal.type(words)
    terminal.press("enter")
    sees(terminal, then)


def sees(terminal: Terminal, text: str) -> None:
    terminal.wait_for(lambda t: shown_now(t, text))


def shown_now(terminal: Terminal, text: str) -> bool:
    return "".join(text.split()) in "".join("".join(terminal.screen).split())


def back(terminal: Terminal, to: str) -> None:
    terminal.press("escape")
    sees(terminal, to)


def leave(terminal: Terminal, says: str = "Nothing was changed.") -> None:
    """Leaves the list of what can be done, and waits for the prompt."""
    before = times(terminal, says)
    terminal.press("escape")
    terminal.wait_for(lambda t: not t.alternate and times(t, says) > before)


def traces(home: Home, text: str) -> list[str]:
    """The files below a home in which a text is."""
    found = [path for path in home.path.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    return sorted(path.name for path in found)


def test_an_empty_folder_a_server_a_default_and_a_conversation(home: Home) -> None:
    with llamacpp("qwen3", "gemma") as server:
        server.reply("Here I am.")
        with home.ei(EI_LLM_BASE_URL=server.url, columns=60, rows=30) as t:
            to_menu(t)
            sees(t, f"llama.cpp at 127.0.0.1:{server.port}  2 models")
            pick(t, "llama", "Which model of llama.cpp?")
            pick(t, "gemma", "Who thinks with local:gemma?")
            pick(t, "everybody", "Just type: ei answers.")
            for line in ("✓ llama.cpp,", "It runs on this machine and costs nothing."):
                assert shown(t, line)
            assert "default_model" in str(settings(home))
            assert shown(t, "Everybody without a model of their own thinks with local:gemma from now on.")
            ask(t, "Hello")
            assert shown(t, "Here I am.")
            assert server.last.model == "gemma"
            to_menu(t)
            sees(t, "Now local:gemma")
            leave(t)


def test_choosing_a_model_can_be_left_at_each_step_with_nothing_half_written(home: Home) -> None:
    with llamacpp("qwen3", "gemma") as local, home.ei(EI_LLM_BASE_URL=local.url) as t:
        to_menu(t)
        pick(t, "llama", "Which model of llama.cpp?")
        back(t, MENU)
        pick(t, "llama", "Which model of llama.cpp?")
        pick(t, "gemma", "Who thinks with local:gemma?")
        back(t, MENU)
        leave(t)
        assert (settings(home), prompt_line(t)) == (None, "")


def test_giving_a_key_can_be_left_at_each_step_with_nothing_half_written(home: Home) -> None:
    with WireServer(key=KEY) as server, home.ei(EI_OPENAI_BASE_URL=server.url) as t:
        to_menu(t)
        pick(t, "give", "Whose key?")
        back(t, MENU)
        pick(t, "give", "Whose key?")
        pick(t, "openai", "API key of openai:")
        t.type(KEY)
        back(t, MENU)
        pick(t, "give", "Whose key?")
        pick(t, "openai", "API key of openai:")
        say(t, KEY + "-wrong")
        sees(t, "The key of openai did not pass")
        sees(t, "it refused the API key (401)")
        pick(t, "again", "API key of openai:")
        say(t, KEY)
        sees(t, "Where is the key of openai kept?")
        back(t, MENU)
        leave(t)
        assert (settings(home), traces(home, KEY)) == (None, [])
        assert KEY.encode() not in t.raw


def test_installing_a_model_can_be_left_at_each_step_with_nothing_half_written(home: Home) -> None:
    with OllamaServer() as ollama, home.ei(EI_OLLAMA_BASE_URL=ollama.url) as t:
        ollama.publish("qwen3:4b", 10**6)
        to_menu(t)
        pick(t, "install", "Which model is to be installed?")
        back(t, MENU)
        pick(t, "install", "Which model is to be installed?")
        pick(t, "qwen3:4b", "Who thinks with ollama:qwen3:4b?")
        back(t, MENU)
        pick(t, "install", "Which model is to be installed?")
        pick(t, "qwen3:4b", "Who thinks with ollama:qwen3:4b?")
        pick(t, "everybody", "Install qwen3:4b (about 2.5 GB)?")
        say(t, "/no")
        sees(t, MENU)
        leave(t)
        assert (settings(home), ollama.installed) == (None, {})


def test_a_key_is_tested_kept_where_asked_and_never_shown(home: Home) -> None:
    with WireServer(key=KEY) as server:
        server.models("gpt-5.1", "gpt-5-mini")
        with home.ei(EI_OPENAI_BASE_URL=server.url) as t:
            to_menu(t)
            pick(t, "give", "Whose key?")
            pick(t, "openai", "API key of openai:")
            say(t, KEY)
            t.wait_for("Where is the key of openai kept?")
            sees(t, "plain file")
            rows = [line for line in t.screen if "file" in line or "keyring" in line]
            assert "plain" in rows[-1]
            assert "plain" not in next(line for line in rows if "❯" in line)
            pick(t, "plain", "Which model of OpenAI?")
            sees(t, "$1.25 in, $0.125 cached, $10 out per million tokens")
            pick(t, "mini", "Who thinks with openai:gpt-5-mini?")
            pick(t, "alone", "Just type: ei answers.")
            assert shown(t, "openai works: its key is good, 2 models.")
            assert shown(t, "It costs money: $0.25 in")
            assert server.chats == []
            ask(t, "Hello")
            assert (server.last.model, server.last.key) == ("gpt-5-mini", KEY)
            t.press("ctrl-d")
            t.wait_exit()
            assert KEY.encode() not in t.raw
    assert traces(home, KEY) == ["keys.plain.json"]
    assert '"openai:gpt-5-mini"' in home.persona("ei").read_text("utf-8")
    assert "default_model" not in dict(settings(home))  # type: ignore[call-overload]


def test_a_model_is_installed_while_one_talks_and_then_thinks(home: Home) -> None:
    with OllamaServer() as ollama:
        ollama.publish("qwen3:4b", 300 * 10**6, 500)
        ollama.pulling.step, ollama.pulling.delay = 10**7, 0.05
        ollama.reply("Installed and awake.")
        with home.ei(EI_OLLAMA_BASE_URL=ollama.url) as t:
            to_menu(t)
            pick(t, "ollama at", "Which model is to be installed?")
            pick(t, "qwen3:4b", "Who thinks with ollama:qwen3:4b?")
            pick(t, "everybody", "Install qwen3:4b (about 2.5 GB)?")
            say(t, "/yes")
            t.wait_for("qwen3:4b ▕")
            ask(t, "Are you there?")
            t.wait_for(lambda t: shown(t, "thinks with ollama:qwen3:4b from now on."))
            ask(t, "And now?")
            assert shown(t, "Installed and awake.")
            assert ollama.last.model == "qwen3:4b"


def test_a_download_that_is_stopped_sets_nothing(home: Home) -> None:
    with OllamaServer() as ollama:
        ollama.publish("qwen3:4b", 3 * 10**9)
        ollama.pulling.step, ollama.pulling.delay = 10**7, 0.05
        with home.ei(EI_OLLAMA_BASE_URL=ollama.url) as t:
            to_menu(t)
            pick(t, "install", "Which model is to be installed?")
            pick(t, "qwen3:4b", "Who thinks with ollama:qwen3:4b?")
            pick(t, "everybody", "Install qwen3:4b (about 2.5 GB)?")
            say(t, "/yes")
            t.wait_for("qwen3:4b ▕")
            t.press("ctrl-c")
            t.wait_for(lambda t: shown(t, "It goes on with /ollama pull qwen3:4b"))
            t.wait_for("Stopped.")
            assert (settings(home), t.alternate) == (None, False)


def test_where_everything_is_private_only_what_stays_here_is_offered(home: Home) -> None:
    home.variables["EI_PRIVATE"] = "1"
    with (
        llamacpp("tiny") as local,
        WireServer(key=KEY) as server,
        home.ei(EI_LLM_BASE_URL=local.url, EI_OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY) as t,
    ):
        to_menu(t)
        sees(t, "Give a provider its key  Everything is private (EI_PRIVATE)")
        assert not shown_now(t, "OpenAI")
        leave(t)
        assert shown(t, "nothing on the network is asked or offered")
        assert server.connections == 0


def test_the_welcome_names_it_where_there_is_nothing_yet(home: Home) -> None:
    with home.ei() as t:
        t.wait_for("/help shows the rest")
        assert times(t, "/setup finds a model server, takes a key or installs a model") == 1
        assert not t.alternate


def test_the_welcome_does_not_where_a_key_is_set(home: Home) -> None:
    with home.ei(OPENAI_API_KEY=KEY) as t:
        t.wait_for("/help shows the rest")
        assert not shown(t, "/setup finds")


def test_in_a_shell_it_asks_line_by_line_and_begins_the_conversation(home: Home) -> None:
    with llamacpp("qwen3", "gemma") as server, home.ei("setup", EI_LLM_BASE_URL=server.url, ready=False) as t:
        t.wait_for("Number or name, empty to leave:", 20)
        assert shown(t, "1  llama.cpp at")
        say(t, "1")
        t.wait_for("Which model of llama.cpp?")
        say(t, "gemma")
        t.wait_for("Who thinks with local:gemma?")
        say(t, "1")
        t.wait_for(lambda t: any(line.startswith("── ei") for line in t.screen), 20)
        ask(t, "Hello")
        assert server.last.model == "gemma"


def test_ctrl_c_leaves_it_in_a_shell_with_its_own_exit_code(home: Home) -> None:
    with home.ei("setup", ready=False) as t:
        t.wait_for("Number or name, empty to leave:", 20)
        t.press("ctrl-c")
        assert t.wait_exit() == 130
        assert shown(t, "Nothing was changed. ei setup begins again.")
        assert settings(home) is None


def test_without_a_terminal_it_tells_what_is_here_and_what_one_could_do(tmp_path: Path) -> None:
    import subprocess
    import sys

    home = Home(tmp_path)
    with llamacpp("gemma") as server, WireServer(key=KEY) as far:
        variables = home.environment(EI_LLM_BASE_URL=server.url, EI_OPENAI_BASE_URL=far.url, OPENAI_API_KEY=KEY)
        done = subprocess.run(
            [sys.executable, "-m", "ei", "setup"],
            env=variables,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 4
        for line in (
            f"  ✓ llama.cpp, {server.url}: 1 chat model\n",
            "  ✓ OPENAI_API_KEY: openai works: its key is good, 1 model.\n",
            "Now ei answers with local:google/gemma-3-12b (the global default).\n",
            "  ei settings default_model local:gemma  uses it, free\n",
        ):
            assert line in done.stdout
        assert done.stderr.startswith("ei: Nobody can be asked here what is to answer.\n")
        assert KEY not in done.stdout + done.stderr
        assert settings(home) is None
