"""`ei ask` as a person and a script use it: real processes, a real server, pipes, signals and exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ei.ask import compose
from ei.errors import ExitCode
from tests.run_ei import ROOT, Ei
from tests.wire import Answer, Cut, Hang, Status, WireServer

FIELDS = [
    "content",
    "reasoning",
    "persona",
    "model",
    "reference",
    "status",
    "error",
    "usage",
    "cost_usd",
    "first_token_ms",
    "total_ms",
    "conversation_id",
    "message_id",
]
USAGE = ["input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "estimated"]


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def ei(tmp_path: Path, server: WireServer) -> Ei:
    home = Ei(tmp_path, EI_LLM_MODEL="openai:tiny", EI_OPENAI_API_KEY="key-of-the-test")
    home.settings('{"retry": {"attempts": 1}}')
    return home.set(EI_OPENAI_BASE_URL=server.url, EI_ANTHROPIC_BASE_URL=server.anthropic_url)


def asked(server: WireServer) -> str:
    """What the person is heard to say last."""
    return server.last.messages[-1][1]


# What is asked, and what comes back.


def test_the_reply_alone_goes_to_stdout(ei: Ei, server: WireServer) -> None:
    server.reply("A puddle is\n**rain** at rest.")
    ran = ei("ask", "what is a puddle?")
    assert (ran.code, ran.out, ran.err) == (0, "A puddle is\n**rain** at rest.\n", "")
    assert asked(server) == "what is a puddle?"


def test_the_persona_and_the_model_are_chosen_for_this_question_only(ei: Ei, server: WireServer) -> None:
    ran = ei("ask", "-p", "LEN", "-m", "openai:other", "--json", "hi")
    assert (ran.json["persona"], ran.json["model"], ran.json["reference"]) == ("lena", "openai:other", "openai:other")
    assert server.last.model == "other"
    assert "lena" in server.last.messages[0][1].lower()
    assert ei("model", "-p", "lena", "--json").json["model"] == "openai:tiny"
    assert ei("model", "--json").json["persona"] == "ei"


def test_the_model_may_be_an_object_as_in_a_file(ei: Ei) -> None:
    ran = ei("ask", "-m", '{"exact": "openai:other"}', "--json", "hi")
    assert (ran.json["model"], ran.json["reference"]) == ("openai:other", '{"exact": "openai:other"}')
    ran = ei("ask", "-m", '{"tier"', "hi")
    assert (ran.code, "That object cannot be read" in ran.err) == (ExitCode.USAGE, True)


def test_an_empty_model_is_refused_and_the_usual_one_not_asked_in_its_place(ei: Ei, server: WireServer) -> None:
    ran = ei("ask", "-m", "", "hi")
    assert (ran.code, "The model reference is empty." in ran.err) == (ExitCode.USAGE, True)
    assert server.chats == []


def test_a_pipe_and_files_are_sent_along_after_the_question(ei: Ei, server: WireServer) -> None:
    (ei.folder / "one.py").write_text("print(1)\n")
    (ei.folder / "zwei.txt").write_bytes("\ufeffdrei\r\n".encode())
    assert ei("ask", "-f", "one.py", "--file=zwei.txt", "what", "differs?", stdin="from the pipe\n").code == 0
    assert asked(server) == "what differs?\n\nfrom the pipe\n\n--- one.py ---\nprint(1)\n\n--- zwei.txt ---\ndrei"


def test_a_pipe_alone_is_the_question(ei: Ei, server: WireServer) -> None:
    server.reply("yes")
    for argv in ([], ["ask"], ["-p", "lena"]):
        ran = ei(*argv, stdin="is it raining?\n")
        assert (ran.code, ran.out) == (0, "yes\n")
        assert asked(server) == "is it raining?"


def test_what_is_composed_leaves_out_what_is_empty() -> None:
    assert compose("  hi ", "\n", []) == "hi"
    assert compose("", " a\n", [("f", "x\n\n")]) == " a\n\n--- f ---\nx"
    assert compose(" ", "\n \n", []) == ""


def test_text_that_begins_with_a_slash_or_a_dash_is_text(ei: Ei, server: WireServer) -> None:
    ei("ask", "/help")
    assert asked(server) == "/help"
    ei("ask", "--", "--json", "-p")
    assert asked(server) == "--json -p"


def test_the_data_is_complete_and_has_these_names(ei: Ei, server: WireServer) -> None:
    server.reply("Rain.", reasoning="hmm", usage={"prompt_tokens": 30, "completion_tokens": 7})
    ran = ei("ask", "--json", "hi")
    data = ran.json
    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    assert list(data) == FIELDS
    assert list(data["usage"]) == USAGE
    assert (data["content"], data["reasoning"], data["persona"], data["model"]) == ("Rain.", "hmm", "ei", "openai:tiny")
    assert (data["reference"], data["status"], data["error"]) == ("openai:tiny", "complete", None)
    assert (data["usage"]["input_tokens"], data["usage"]["output_tokens"]) == (30, 7)
    assert data["usage"]["estimated"] is False
    assert data["cost_usd"] is None
    assert 0 <= data["first_token_ms"] <= data["total_ms"] < 10_000
    (listed,) = ei("history", "--json").json
    assert listed["conversation_id"] == data["conversation_id"]
    question, reply = ei("export", "--json", data["conversation_id"]).json["messages"]
    assert (question["content"], question["role"]) == ("hi", "user")
    assert {name: reply[name] for name in FIELDS if name in reply} == {
        name: data[name] for name in FIELDS if name in reply
    }


def test_a_model_with_a_price_has_a_cost(ei: Ei, server: WireServer) -> None:
    server.reply("ok", usage=(1_000_000, 0))
    assert ei("ask", "--json", "-m", "openai:gpt-4o-mini", "hi").json["cost_usd"] == 0.15


def test_the_native_anthropic_wire_answers_as_well(ei: Ei, server: WireServer) -> None:
    server.reply("Claude here")
    ran = ei("ask", "-m", "anthropic:tiny", "hi", env={"EI_ANTHROPIC_API_KEY": "another-key"})
    assert (ran.code, ran.out) == (0, "Claude here\n")
    assert server.last.path == "/v1/messages"


def test_the_companion_answers_where_nothing_else_does_and_says_so(ei: Ei) -> None:
    ran = ei("ask", "hi", env={"EI_LLM_MODEL": ""})
    assert ran.code == 0
    assert len(ran.out) > 10
    assert "the small built-in companion" in ran.err
    assert "ei model" in ran.err


def test_what_a_model_sends_cannot_command_the_terminal(ei: Ei, server: WireServer) -> None:
    text = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\u202ee\x00f\r\ng"
    for chunks in (None, 1):
        server.always(Answer(text, chunks=chunks))
        out = ei("ask", "hi").out
        assert out.splitlines()[1] == "g"
        assert not [char for char in out if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0]
        assert "\u202e" not in out
    data = ei("ask", "--json", "hi")
    assert data.json["content"] == text
    assert not [char for char in data.out if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0]
    shown = ei("history", data.json["conversation_id"][-8:]).out
    assert "\x1b" not in shown
    assert "\x9b" not in shown


def test_reasoning_stays_out_of_the_reply(ei: Ei, server: WireServer) -> None:
    server.reply("<think>let me see</think>Four.")
    assert ei("ask", "2+2?").out == "Four.\n"


def test_a_long_reply_comes_while_it_is_written(ei: Ei, server: WireServer) -> None:
    server.reply("one two three", delay=0.5)
    with ei.start("ask", "hi") as started:
        assert started.stdout is not None
        began = time.monotonic()
        assert started.stdout.read(3) == b"one"
        first = time.monotonic() - began
        assert started.stdout.read().strip() == b"two three"
        assert time.monotonic() - began - first > 0.7
        started.communicate()


# What is kept.


def test_a_question_leaves_the_conversation_in_front_as_it_was(ei: Ei, server: WireServer) -> None:
    first = ei("ask", "--json", "first").json["conversation_id"]
    second = ei("ask", "--json", "second").json["conversation_id"]
    assert first != second
    assert len(ei("prompt", "--json").json["messages"]) == 1
    assert [entry["title"] for entry in ei("history", "--json").json] == [None, None]


def test_resume_goes_on_in_a_conversation(ei: Ei, server: WireServer) -> None:
    server.script("I am well.", "Yes, I said so.")
    begun = ei("ask", "-p", "lena", "--json", "how are you?").json
    ran = ei("ask", "--resume", begun["conversation_id"][-8:], "--json", "really?")
    assert (ran.json["conversation_id"], ran.json["persona"]) == (begun["conversation_id"], "lena")
    said = [text for role, text in server.last.messages if role != "system"]
    assert said == ["how are you?", "I am well.", "really?"]
    assert ei("model", "--json").json["persona"] == "ei"


def test_resume_with_another_persona_asks_her_as_a_guest(ei: Ei, server: WireServer) -> None:
    begun = ei("ask", "-p", "lena", "--json", "how are you?").json
    ran = ei("ask", "--resume", begun["conversation_id"], "-p", "mike", "--json", "and you?").json
    assert (ran["persona"], ran["conversation_id"]) == ("mike", begun["conversation_id"])
    assert ei("export", "--json", begun["conversation_id"]).json["persona"] == "lena"


def test_resume_says_when_another_model_would_answer_now(ei: Ei) -> None:
    begun = ei("ask", "--json", "hi").json["conversation_id"]
    ran = ei("ask", "--resume", begun, "go on", env={"EI_LLM_MODEL": "openai:larger"})
    assert "openai:tiny answered here last; openai:larger would answer now" in ran.err


def test_resume_waits_for_a_reply_of_another_ei(ei: Ei, server: WireServer) -> None:
    begun = ei("ask", "--json", "hi").json["conversation_id"]
    server.script(Answer("slow but sure, it comes", delay=0.3), "second")
    with ei.start("ask", "--resume", begun, "one") as slow:
        server.wait_for(2)
        ran = ei("ask", "--resume", begun, "two")
        assert slow.wait(10) == 0
        slow.communicate()
    assert (ran.code, ran.out) == (0, "second\n")
    assert "Another ei is answering in this conversation" in ran.err
    said = [m["content"] for m in ei("export", "--json", begun).json["messages"]]
    assert said == ["hi", "Hello there.", "one", "slow but sure, it comes", "two", "second"]


def test_no_save_writes_nothing_of_the_conversation_anywhere(ei: Ei, server: WireServer) -> None:
    server.always(Answer("ocelots sleep", delay=0.4))
    ran = ei("ask", "--no-save", "--json", "whisper about xylophones")
    assert ran.json["content"] == "ocelots sleep"
    assert (ran.json["conversation_id"], ran.json["message_id"]) == (None, None)
    server.always(Status(500, "xylophones broke the ocelots"))
    assert ei("ask", "--no-save", "whisper about xylophones").code == ExitCode.PROVIDER
    assert "xylophones" in asked(server)
    kept = ei.written()
    assert b"xylophones" not in kept
    assert b"ocelots" not in kept
    assert ei("history", "--json").json == []


def test_what_was_asked_and_answered_is_found_again(ei: Ei, server: WireServer) -> None:
    server.reply("ocelots sleep")
    ei("ask", "whisper about xylophones")
    assert [hit["match"] for hit in ei("search", "xylophones", "--json").json] == ["xylophones"]
    assert [hit["role"] for hit in ei("search", "ocelots", "--json").json] == ["assistant"]


# What goes wrong.


@pytest.mark.parametrize(
    ("argv", "code", "sentence"),
    [
        (["ask", ""], ExitCode.USAGE, "There is nothing to ask."),
        (["ask", "  \n"], ExitCode.USAGE, "There is nothing to ask."),
        (["ask", "-p", "nobody", "hi"], ExitCode.USAGE, 'There is no persona "nobody".'),
        (["ask", "-p", "", "hi"], ExitCode.USAGE, "Which persona?"),
        (["ask", "-m", "opnai:x", "hi"], ExitCode.USAGE, 'Unknown provider "opnai".'),
        (["ask", "-m", "google:gemini", "hi"], ExitCode.CONFIG, "google has no API key."),
        (["ask", "--resume", "ffffffff", "hi"], ExitCode.USAGE, 'There is no conversation "ffffffff".'),
        (["ask", "--resume", "a", "hi"], ExitCode.USAGE, '"a" is too short'),
        (["ask", "--resume", "ffffffff", "--no-save", "hi"], ExitCode.USAGE, "--resume goes on in a conversation"),
        (["ask", "-f", "missing.txt", "hi"], ExitCode.USAGE, "missing.txt cannot be read: No such file"),
        (["ask", "-f", ".", "hi"], ExitCode.USAGE, ". cannot be read: Is a directory."),
        (["ask", "-f", "~nobody-here/x", "hi"], ExitCode.USAGE, "~nobody-here/x cannot be read: "),
        (["ask", "-f", "binary", "hi"], ExitCode.USAGE, "binary is not UTF-8 text."),
        (["ask", "-f", "zeros", "hi"], ExitCode.USAGE, "zeros is not text."),
        (["ask", "-f", "huge", "hi"], ExitCode.USAGE, "huge is larger than 20 MB."),
        (["ask", "-f", "esc\x1b[2Jape", "hi"], ExitCode.USAGE, "esc␛[2Jape cannot be read: "),
    ],
)
def test_what_cannot_be_asked_is_one_sentence_and_as_data_one_object(
    ei: Ei, server: WireServer, argv: list[str], code: ExitCode, sentence: str
) -> None:
    (ei.folder / "binary").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    (ei.folder / "zeros").write_bytes(b"a\x00b")
    with (ei.folder / "huge").open("wb") as huge:
        huge.truncate(3_000_000_000)
    ran = ei(*argv)
    assert (ran.code, ran.out) == (code, "")
    first, *hint = ran.err.splitlines()
    assert first.startswith(f"ei: {sentence}")
    assert len(hint) <= 1
    data = ei(*argv, "--json")
    assert (data.code, list(data.json), data.err) == (code, FIELDS, "")
    assert list(data.json["usage"]) == USAGE
    assert (data.json["status"], data.json["content"]) == ("failed", "")
    assert data.json["error"]["message"].startswith(sentence)
    assert server.chats == []


def test_what_the_pipe_brings_must_be_text_too(ei: Ei) -> None:
    for data in (b"\xff\xfe\x00", b"a\x00b"):
        ran = ei("ask", "summarise", stdin=data)
        assert (ran.code, ran.out) == (ExitCode.USAGE, "")
        assert ran.err.startswith("ei: What came through the pipe is not ")


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        (Status(401, "bad key"), ExitCode.PROVIDER, "openai refused the API key (401)"),
        (Status(404, "The model `tiny` does not exist", error_code="model_not_found"), ExitCode.PROVIDER, "no model"),
        (Status(429, "slow down"), ExitCode.PROVIDER, "openai is busy (429)"),
        (Status(500, "oops"), ExitCode.PROVIDER, "openai is busy (500)"),
        (Cut("half a"), ExitCode.PROVIDER, "The reply of openai was cut off."),
    ],
)
def test_a_provider_that_fails_is_exit_code_1(
    ei: Ei, server: WireServer, behaviour: Any, code: ExitCode, words: str
) -> None:
    server.always(behaviour)
    ran = ei("ask", "hi")
    assert ran.code == code
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ("half a\n" if isinstance(behaviour, Cut) else "")
    data = ei("ask", "--json", "hi")
    assert (data.code, list(data.json), data.json["status"], data.err) == (code, FIELDS, "failed", "")
    assert words in data.json["error"]["message"]
    assert data.json["content"].strip() == ran.out.strip()
    assert data.json["conversation_id"]
    assert data.json["message_id"]


def test_a_missing_key_is_exit_code_3_and_the_question_is_kept(ei: Ei) -> None:
    ran = ei("ask", "--json", "-m", "mistral:x", "do not lose me")
    assert ran.code == ExitCode.CONFIG
    assert ran.json["error"]["message"] == "mistral has no API key."
    assert "EI_MISTRAL_API_KEY" in ran.json["error"]["hint"]
    assert ran.json["model"] == "mistral:x"
    assert ei("search", "lose", "--json").json[0]["conversation_id"] == ran.json["conversation_id"]


def test_nobody_at_the_address_is_exit_code_1(ei: Ei) -> None:
    ran = ei("ask", "hi", env={"EI_OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert ran.code == ExitCode.PROVIDER
    assert "Nothing answers at http://127.0.0.1:9/v1" in ran.err


def test_a_further_try_is_told_on_stderr(ei: Ei, server: WireServer) -> None:
    ei.settings('{"retry": {"attempts": 2, "longest_wait": 0.1}}')
    server.script(Status(529, retry_after=0), "there")
    ran = ei("ask", "hi")
    assert (ran.code, ran.out) == (0, "there\n")
    assert "openai is busy (529)" in ran.err


# Being stopped.


@pytest.mark.parametrize("signals", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("as_data", [False, True])
def test_a_signal_stops_the_reply_and_its_text_is_kept(
    ei: Ei, server: WireServer, signals: signal.Signals, as_data: bool
) -> None:
    server.always(Hang("the beginning of a long"))
    with ei.start("ask", *(["--json"] if as_data else []), "tell me") as started:
        server.wait_for(1)
        if as_data:
            time.sleep(0.5)
        else:
            assert started.stdout is not None
            assert started.stdout.read(23) == b"the beginning of a long"
        started.send_signal(signals)
        out, err = started.communicate(timeout=10)
    assert (started.returncode, err) == (ExitCode.CANCELLED, b"")
    (conversation,) = ei("history", "--json").json
    reply = ei("history", conversation["conversation_id"], "--json").json["messages"][-1]
    assert (reply["status"], reply["content"].strip()) == ("cancelled", "the beginning of a long")
    assert (b'"status": "cancelled"' in out) is as_data


@pytest.mark.parametrize("after", [0.02, 0.05, 0.1, 0.2, 0.35, 0.5])
def test_a_signal_at_any_moment_leaves_no_traceback(ei: Ei, server: WireServer, after: float) -> None:
    server.always(Hang("hm"))
    del ei.variables["PYTHONWARNINGS"]  # an import that is broken off leaves its file to the garbage collector
    with ei.start("ask", "tell me") as started:
        time.sleep(after)
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=10)
    # Before Python itself is up nobody can catch it; then nothing of ei has run.
    assert started.returncode == ExitCode.CANCELLED or server.chats == []
    assert str(ROOT / "ei").encode() not in err
    assert ei("history", "--json").code == 0


def test_head_takes_what_it_wants(ei: Ei, server: WireServer) -> None:
    server.reply(" ".join(f"word{n}" for n in range(2000)), delay=0.005)
    began = time.monotonic()
    read, write = os.pipe()
    with ei.start("ask", "tell me", stdout=write) as started:
        os.close(write)
        head = subprocess.run(
            [sys.executable, "-c", "import os; print(os.read(0, 5).decode())"],
            stdin=read,
            capture_output=True,
            check=True,
        )
        os.close(read)
        _, err = started.communicate(timeout=10)
    assert head.stdout == b"word0\n"
    assert (started.returncode, err) == (0, b"")
    assert time.monotonic() - began < 8
    assert server.last.client_left


def test_the_variables_of_the_vendors_sdk_change_nothing(ei: Ei, server: WireServer) -> None:
    with WireServer() as other:
        ran = ei("ask", "hi", env={"OPENAI_BASE_URL": other.url, "OPENAI_ORG_ID": "org", "HTTP_PROXY": other.url})
        assert (ran.code, other.requests) == (0, [])
    assert "openai-organization" not in server.last.headers
    assert os.environ.get("OPENAI_BASE_URL") is None
