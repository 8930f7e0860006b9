"""Every command as `ei NAME …`: what it prints, its data, its exit code, with and without a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ei.commands.shell import as_typed, json_text
from ei.errors import ExitCode
from ei.terminal.safe import safe
from tests.drive import Terminal
from tests.run_ei import Ei
from tests.wire import Hang, Model, WireServer


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def ei(tmp_path: Path, server: WireServer) -> Ei:
    return Ei(tmp_path, EI_LLM_MODEL="openai:tiny", EI_OPENAI_API_KEY="key-of-the-test", EI_OPENAI_BASE_URL=server.url)


def talk(ei: Ei, text: str = "do ocelots dream?", persona: str = "ei") -> str:
    """Begins a conversation and gives its id."""
    ran = ei("ask", "-p", persona, "--json", text)
    assert ran.code == 0, ran.err
    return str(ran.json["conversation_id"])


def refusal(ei: Ei, *argv: str, code: ExitCode = ExitCode.USAGE) -> str:
    """What is said where a command is refused; the same as data."""
    ran = ei(*argv)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("ei: ")
    assert len(ran.err.splitlines()) <= 2
    data = ei(*argv, "--json")
    assert (data.code, data.err, list(data.json)) == (code, "", ["error"])
    assert ran.err.splitlines()[0] == f"ei: {data.json['error']['message']}"
    return ran.err


def test_model_shows_sets_and_clears_what_a_persona_thinks_with(ei: Ei) -> None:
    assert ei("model").out.splitlines()[0] == "Current model for ei: openai:tiny (from EI_LLM_MODEL)"
    before = (ei.data / "personas" / "lena" / "system.jsonc").read_text("utf-8")
    assert ei("model", "-p", "lena", "mistral:large").out.splitlines() == [
        "Model for lena set to: mistral:large",
        "mistral has no API key yet: set EI_MISTRAL_API_KEY, or: ei provider mistral",
    ]
    after = (ei.data / "personas" / "lena" / "system.jsonc").read_text("utf-8")
    assert len(after.splitlines()) - len(before.splitlines()) in (0, 1)
    assert ei("-p", "lena", "model", "--json").json["model"] == "mistral:large"
    assert ei("model", "--json").json["model"] == "openai:tiny"
    assert ei("model", "why", "-p", "lena").out.splitlines()[0].startswith("lena answers with mistral:large")
    assert [step["wins"] for step in ei("model", "why", "-p", "lena", "--json").json["steps"]].count(True) == 1
    assert "Model for lena cleared." in ei("model", "--clear", "-p", "lena").out
    assert ei("model", "-p", "lena", "--json").json["model"] == "openai:tiny"


def test_model_of_one_conversation(ei: Ei) -> None:
    id = talk(ei)
    assert ei("model", "--resume", id, "--here", "openai:other").code == 0
    assert ei("model", "--resume", id, "--json").json["model"] == "openai:other"
    assert ei("model", "--json").json["model"] == "openai:tiny"
    assert ei("ask", "--resume", id, "--json", "again").json["model"] == "openai:other"


def test_model_lists_providers_and_their_models(ei: Ei, server: WireServer) -> None:
    server.models(Model("big", {"context_length": 1000}), "small")
    listed = ei("model", "--list").out.splitlines()
    assert listed[0] == "Configured providers:"
    assert "  openai      ✓ (API key set)" in listed
    assert {row["provider"]: row["ready"] for row in ei("model", "--list", "--json").json}["openai"] is True
    assert {row["model"] for row in ei("model", "--list", "openai", "--json").json} == {"openai:big", "openai:small"}
    assert "openai:small" in ei("model", "--list", "openai").out


def test_model_refuses_what_makes_no_sense_outside_a_conversation(ei: Ei) -> None:
    assert 'ei ask -m SPEC "…"' in refusal(ei, "model", "--once", "openai:x")
    assert "Did you mean openai:x?" in refusal(ei, "model", "opnai:x")
    refusal(ei, "model", "pick", code=ExitCode.NEEDS_ANSWER)


def test_persona_lists_and_goes_to_one(ei: Ei) -> None:
    table = ei("persona").out.splitlines()
    assert table[0].split()[:4] == ["persona", "model", "last", "talk"]
    assert [row["name"] for row in ei("persona", "--json").json] == ["beta", "ei", "lena", "mike", "otto"]
    assert "lena" in ei("persona", "len").out
    assert ei("model", "--json").json["persona"] == "lena"
    assert "ei persona lists them." in refusal(ei, "persona", "nobody")


def test_a_persona_is_cloned_archived_and_restored(ei: Ei) -> None:
    talk(ei, persona="mike")
    assert ei("-p", "mike", "persona", "clone", "mike2", "--with-history").code == 0
    assert [entry["persona"] for entry in ei("history", "-p", "mike2", "--json").json] == ["mike2"]
    assert "ei persona restore mike2" in ei("persona", "archive", "mike2").out
    assert not (ei.data / "personas" / "mike2").exists()
    assert "mike2" in ei("persona", "restore").out
    assert ei("persona", "restore", "mike2").code == 0
    assert (ei.data / "personas" / "mike2" / "system.jsonc").exists()


def test_a_persona_is_drafted_without_questions_when_told_so(ei: Ei, server: WireServer) -> None:
    draft = {"short_description": "A calm pilot.", "long_description": "She flies at night.", "concepts": []}
    server.reply(json.dumps(draft))
    assert "Nobody can be asked" in refusal(ei, "persona", "new", "ada", code=ExitCode.NEEDS_ANSWER)
    refusal(ei, "persona", "new", "ada", "--idea", "a calm pilot", code=ExitCode.NEEDS_ANSWER)
    ran = ei("persona", "new", "ada", "--idea", "a calm pilot", "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert "ada is here: A calm pilot." in ran.out
    assert ei("persona", "new", "bo", "--idea", "a sailor", "--yes", "--json").json["persona"] == "bo"
    assert "There is a persona ada already." in refusal(ei, "persona", "new", "ada", "--idea", "x", "--yes")


def test_an_editor_needs_a_terminal(ei: Ei) -> None:
    for argv in (["persona", "edit", "lena"], ["settings", "edit"]):
        assert "An editor needs a terminal." in refusal(ei, *argv, code=ExitCode.NEEDS_ANSWER)


def test_history_lists_by_persona_and_shows_one(ei: Ei, server: WireServer) -> None:
    server.reply("They do.")
    talk(ei, "hello mike", persona="mike")
    id = talk(ei)
    assert [entry["persona"] for entry in ei("history", "--json").json] == ["ei", "mike"]
    for option in ("-p", "--persona"):
        assert [entry["persona"] for entry in ei("history", option, "mike", "--json").json] == ["mike"]
    assert len(ei("history", "--limit", "1", "--json").json) == 1
    header, row, _ = ei("history", "-p", "ei").out.splitlines()
    assert header.split()[:3] == ["id", "persona", "age"]
    assert id[-8:] in row
    shown = ei("history", id[-8:])
    assert shown.out.splitlines()[0] == "# do ocelots dream?"
    assert "## ei · openai:tiny\n\nThey do." in shown.out
    assert [m["content"] for m in ei("history", id, "--json").json["messages"]] == ["do ocelots dream?", "They do."]
    assert "There is no conversation" in refusal(ei, "history", "ffffffff")


def test_a_reply_that_a_killed_ei_left_is_shown_as_stopped(ei: Ei, server: WireServer) -> None:
    server.always(Hang("half a thought"))
    with ei.start("ask", "tell me") as started:
        assert started.stdout is not None
        assert started.stdout.read(14) == b"half a thought"
        # The text is saved while it streams.
        for _ in range(40):
            if ei("search", "tell", "--json").json and b"half a thought" in ei.written():
                break
        started.kill()
        started.communicate()
    (conversation,) = ei("history", "--json").json
    reply = ei("history", conversation["conversation_id"], "--json").json["messages"][-1]
    assert reply["content"] == "half a thought"
    assert reply["status"] in ("streaming", "cancelled")


def test_search_finds_by_words_and_by_persona(ei: Ei) -> None:
    talk(ei, "hello mike", persona="mike")
    id = talk(ei)
    (hit,) = ei("search", "ocelot", "--json").json
    assert (hit["conversation_id"], hit["content"]) == (id, "do ocelots dream?")
    assert "«ocelots»" in ei("search", "ocelots").out
    assert ei("search", "-p", "mike", "ocelots", "--json").json == []
    assert len(ei("search", "--persona", "mike", "hello", "--json").json) == 2
    assert ei("search", "zebra").out == "Nothing was found for: zebra\n"
    refusal(ei, "search")


def test_export_prints_or_writes_a_conversation(ei: Ei) -> None:
    id = talk(ei)
    assert ei("export", id[-8:]).out.splitlines()[0] == "# do ocelots dream?"
    printed = json.loads(ei("export", id, "json").out)
    assert printed == ei("export", "--json", id).json
    assert [m["role"] for m in printed["messages"]] == ["user", "assistant"]
    ran = ei("export", id, "md", "talk.md")
    assert ran.code == 0
    assert (ei.folder / "talk.md").read_text("utf-8").startswith("# do ocelots dream?")
    refusal(ei, "export", id, "md", "talk.md", code=ExitCode.NEEDS_ANSWER)
    assert ei("export", id, "json", "talk.md", "--yes", "--json").json["file"] == "talk.md"
    assert json.loads((ei.folder / "talk.md").read_text("utf-8")) == printed
    assert "cannot be written" in refusal(ei, "export", id, "md", "no/such/folder.md", code=ExitCode.CONFIG)
    assert ei("export", "--resume", id, "here.md").out.endswith("written to here.md\n")
    refusal(ei, "export")


def test_delete_asks_and_without_a_terminal_needs_yes(ei: Ei) -> None:
    id = talk(ei, "ocelots in the garden")
    message = ei("history", id, "--json").json["messages"][0]["message_id"]
    for argv in (["conversation", id], ["message", message], ["persona", "beta"]):
        assert "add --yes to agree" in refusal(ei, "delete", *argv, code=ExitCode.NEEDS_ANSWER)
    assert b"ocelots in the garden" in ei.written()
    assert ei("delete", "conversation", id, "--yes").code == 0
    assert b"ocelots" not in ei.written()
    assert ei("delete", "persona", "beta", "-y", "--json").json["conversations"] == 0
    assert "beta" not in [row["name"] for row in ei("persona", "--json").json]
    refusal(ei, "delete")
    refusal(ei, "delete", "everything", "--yes")


def test_settings_are_shown_written_out_and_changed(ei: Ei) -> None:
    path = str(ei.config / "settings.jsonc")
    assert ei("settings", "path").out == f"{path}\n"
    assert ei("settings", "path", "--json").json == path
    assert path in ei("settings", "init").out
    assert "is there already" in ei("settings", "init").out
    assert ei("settings", "display.keys", "vi").code == 0
    assert ei("settings", "display.keys", "--json").json["value"] == "vi"
    assert "vi" in ei("settings", "display.keys").out
    assert ei("settings", "--json").json["display.keys"]["source"] == "settings.jsonc"
    assert "// " in Path(path).read_text("utf-8")
    assert ei("settings", "interactions.reasoning.temperature", "0.2").code == 0
    assert "must be one of: emacs, vi" in refusal(ei, "settings", "display.keys", "nano")
    assert "Did you mean display.theme?" in refusal(ei, "settings", "display.thme")


def test_prompt_shows_what_would_be_sent(ei: Ei, server: WireServer) -> None:
    id = talk(ei)
    sent = ei("prompt", "--resume", id, "--json").json
    assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant"]
    assert sent["messages"][0]["content"] == server.last.messages[0][1]
    assert "── user" in ei("prompt", "--resume", id[-8:]).out
    assert "lena" in ei("prompt", "-p", "lena").out.lower()


def test_a_shell_reads_of_commands_as_a_shell_has_them() -> None:
    said = as_typed("Try /model SPEC, /persona, /retry or /home/me/model; see /model.")
    assert said == "Try ei model SPEC, ei persona, /retry or /home/me/model; see ei model."
    assert as_typed("Try again in a while: /retry") == "Try again in a while."


def test_data_is_safe_on_any_terminal_and_reads_back_the_same() -> None:
    value = {"text": "a\x1b[2J\x9b31m\u202eb\ud800 naïve ❤ \x7f\u200b\U000e0041"}
    for encoding in ("utf-8", "ascii", None):
        text = json_text(value, encoding)
        assert json.loads(text) == value
        assert not [char for char in text if ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char == "\u202e"]
    assert "naïve ❤" in json_text(value)
    assert json_text(value, "ascii").isascii()
    assert json.loads(safe(json_text(value, indent=2))) == value


# On a terminal.


def at_terminal(ei: Ei, *argv: str, **variables: str) -> Terminal:
    environment = {**ei.variables, "TERM": "xterm-256color", **variables}
    return Terminal([sys.executable, "-m", "ei", *argv], 90, 24, env=environment, cwd=ei.folder)


def test_on_a_terminal_replies_are_coloured_and_wrapped(ei: Ei) -> None:
    with at_terminal(ei, "persona") as terminal:
        assert terminal.wait_exit() == 0
        assert b"\x1b[" in terminal.raw
        assert any(line.startswith("› ei") for line in terminal.everything)
        assert max(map(len, terminal.everything)) <= 90
    with at_terminal(ei, "persona", NO_COLOR="1") as terminal:
        assert terminal.wait_exit() == 0
        assert b"\x1b[" not in terminal.raw


@pytest.mark.parametrize(("typed", "code", "gone"), [("y", 0, True), ("no", 0, False), ("", 0, False)])
def test_on_a_terminal_a_deletion_is_asked_for(ei: Ei, typed: str, code: int, gone: bool) -> None:
    id = talk(ei)
    with at_terminal(ei, "delete", "conversation", id) as terminal:
        terminal.wait_for("yes or no? [no]")
        terminal.type(typed + "\r")
        assert terminal.wait_exit() == code
    assert (ei("history", "--json").json == []) is gone


def test_on_a_terminal_ctrl_c_leaves_a_question(ei: Ei) -> None:
    id = talk(ei)
    with at_terminal(ei, "delete", "conversation", id) as terminal:
        terminal.wait_for("yes or no? [no]")
        terminal.press("ctrl-c")
        assert terminal.wait_exit() == ExitCode.CANCELLED
        assert "Traceback" not in "\n".join(terminal.everything)
    assert len(ei("history", "--json").json) == 1


def test_on_a_terminal_a_persona_is_drafted_in_a_talk(ei: Ei, server: WireServer) -> None:
    server.reply(json.dumps({"short_description": "A calm pilot.", "long_description": "She flies.", "concepts": []}))
    with at_terminal(ei, "persona", "new", "ada") as terminal:
        terminal.wait_for("who is it?")
        terminal.type("a calm pilot\r")
        terminal.wait_for("Save ada (")
        terminal.type("yes\r")
        assert terminal.wait_exit() == 0
    assert "ada" in [row["name"] for row in ei("persona", "--json").json]


def test_on_a_terminal_the_editor_of_the_person_opens(ei: Ei) -> None:
    editor = ei.home / "editor.py"
    editor.write_text(
        "import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n"
        "path.write_text(path.read_text('utf-8').replace('Lena', 'Lena the Second'), 'utf-8')\n"
    )
    ei("persona")
    with at_terminal(ei, "persona", "edit", "lena", EDITOR=f"{sys.executable} {editor}") as terminal:
        assert terminal.wait_exit() == 0
    assert "Lena the Second" in (ei.data / "personas" / "lena" / "system.jsonc").read_text("utf-8")


def test_what_is_asked_on_a_terminal_stays_out_of_a_file(ei: Ei) -> None:
    id = talk(ei)
    out = ei.folder / "out.txt"
    command = f'"{sys.executable}" -m ei delete conversation {id} > "{out}"'
    with Terminal(["sh", "-c", command], 90, 24, env={**os.environ, **ei.variables}, cwd=ei.folder) as terminal:
        terminal.wait_for("yes or no? [no]")
        terminal.type("yes\r")
        assert terminal.wait_exit() == 0
    assert out.read_text("utf-8") == "The conversation is deleted.\n"


def test_broken_settings_are_still_found_and_opened(ei: Ei) -> None:
    assert ei("settings", "init").code == 0
    path = ei.config / "settings.jsonc"
    path.write_text('{ "display": ', "utf-8")
    assert f"{path}, line 1" in refusal(ei, "settings", "display.keys", "vi", code=ExitCode.CONFIG)
    assert ei("settings", "path").out == f"{path}\n"
    assert "An editor needs a terminal" in refusal(ei, "settings", "edit", code=ExitCode.NEEDS_ANSWER)
