"""What must survive: programs that are killed, two at once in one folder, a disk that is full."""

from __future__ import annotations

import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import IO

import pytest

from ei.conversations.store import ConversationStore
from ei.conversations.values import Message, State
from ei.storage.database import Database
from tests.chat.homes import ROOT, Home, ask, ended, prompt_line, say, shown, times
from tests.wire import Answer, Hang, Request, WireServer

KILLS = 50
LANES = ("beta", "ei", "lena", "mike")
"""Personas that are talked with at the same time, one program each."""
LEASE_SECONDS = 15
SAVED_SECONDS = 1.0
"""What was on the screen so long before the program was killed is kept."""


@dataclass(frozen=True)
class Killed:
    """What a person saw of a program that was killed: the message sent, and how many words had come in time."""

    message: str
    words: int


class Nursery:
    """Starts `ei` on a pseudo-terminal within milliseconds, by forking a process that has loaded it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chat.programs.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._output.readline() == "ready\n"

    @property
    def _output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def start(self, terminal: str, home: Home, *arguments: str) -> int:
        """The id of the process."""
        order = {"terminal": terminal, "arguments": arguments, "environment": home.environment()}
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._output.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with closing(Nursery()) as started:
        yield started


def test_50_programs_killed_while_a_reply_streams_lose_nothing(
    talking: Home, server: WireServer, nursery: Nursery
) -> None:
    server.always(lambda request: Answer(" ".join(f"{number_in(request)}w{n}" for n in range(1000)), delay=0.02))
    chance = random.Random(20)
    moments = [chance.uniform(0.0, 2.2) for _ in range(KILLS)]
    with talking.ei() as t:  # the folder and its cast
        say(t, "/quit")
        t.wait_exit()

    def lane(number: int) -> list[Killed]:
        return [
            killed(nursery, talking, LANES[number], turn, moments[turn]) for turn in range(number, KILLS, len(LANES))
        ]

    with ThreadPoolExecutor(len(LANES)) as lanes:
        all_killed = [one for found in lanes.map(lane, range(len(LANES))) for one in found]
    assert len(all_killed) == KILLS
    assert sum(one.words > 0 for one in all_killed) > KILLS // 4

    with closing(Database(talking.data / "ei.db")) as database:
        store = ConversationStore(database)
        before = {one.message: turn_of(store, one.message) for one in all_killed}
        for one in all_killed:
            asked, reply = before[one.message]
            assert asked.state is State.COMPLETE
            words = reply.text.split()
            assert words == [f"{one.message.split()[1]}w{n}" for n in range(len(words))]
            assert len(words) >= one.words, (one, len(words))
        store.reclaim(time.time() + LEASE_SECONDS + 1)
        for one in all_killed:
            _, reply = turn_of(store, one.message)
            assert (reply.state, reply.text) == (State.CANCELLED, before[one.message][1].text)
        with database.read() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    server.reply("All is well.")
    with talking.ei("-p", "ei") as t:
        t.wait_for("stopped · /continue goes on")
        ask(t, "Are you well?")
        assert shown(t, "All is well.")


def test_a_reply_of_a_killed_program_ends_when_its_lease_does(talking: Home, server: WireServer) -> None:
    server.script(Answer(" ".join(f"w{n}" for n in range(3000)), delay=0.02), "The next reply.")
    with talking.ei() as t:
        say(t, "go")
        t.wait_for("w80")
        t.kill(signal.SIGKILL)
        t.wait_exit()
    killed_at = time.monotonic()
    with talking.ei() as t:
        t.wait_for("still being written in another terminal")
        say(t, "and then?")
        t.wait_for("queued  and then?")
        t.wait_for("The next reply.", timeout=LEASE_SECONDS + 10)
        assert time.monotonic() - killed_at > LEASE_SECONDS - 7
        assert "w0 w1 w2" in str(server.last.messages)
    assert [(role, state) for role, _, state, _ in talking.messages()] == [
        ("user", "complete"),
        ("assistant", "cancelled"),
        ("user", "complete"),
        ("assistant", "complete"),
    ]


def test_two_programs_in_one_folder_talk_at_once(talking: Home, server: WireServer) -> None:
    server.on("tiny", lambda request: Answer(f"Reply to: {request.messages[-1][1]}", delay=0.01))
    with talking.ei("-p", "lena") as first, talking.ei("-p", "mike") as second:
        for number in range(4):
            say(first, f"to lena {number}")
            say(second, f"to mike {number}")
            first.wait_for(f"Reply to: to lena {number}")
            second.wait_for(f"Reply to: to mike {number}")
        first.wait_for(lambda t: ended(t) == 4)
        second.wait_for(lambda t: ended(t) == 4)
    texts = [text for *_, text in talking.messages()]
    for who in ("lena", "mike"):
        assert [text for text in texts if text.startswith(f"to {who}")] == [f"to {who} {n}" for n in range(4)]
        assert [text for text in texts if text.startswith(f"Reply to: to {who}")] == [
            f"Reply to: to {who} {n}" for n in range(4)
        ]


def test_two_programs_in_one_conversation_see_and_keep_each_others_messages(talking: Home, server: WireServer) -> None:
    server.on("tiny", lambda request: Answer(f"Reply to: {request.messages[-1][1]}", delay=0.01))
    with talking.ei() as first:
        ask(first, "begun here")
        with talking.ei() as second:
            second.wait_for("Reply to: begun here")
            ask(second, "from the second")
            ask(first, "from the first")
            assert times(first, "you  from the second") == 1
            assert shown(first, "Reply to: from the second")
            assert times(first, "you  from the first") == 1
            sent = [text for role, text in server.last.messages if role == "user"]
            assert sent == ["begun here", "from the second", "from the first"]


def test_a_message_waits_while_another_program_streams_in_the_same_conversation(
    talking: Home, server: WireServer
) -> None:
    server.script("Begun.", Answer(" ".join(f"w{n}" for n in range(60)), delay=0.03), "To the second.")
    with talking.ei() as first:
        ask(first, "begin")
        with talking.ei() as second:
            second.wait_for("Begun.")
            say(first, "something long")
            first.wait_for("w5")
            say(second, "me too")
            second.wait_for("queued  me too")
            second.wait_for("To the second.")
            assert shown(second, "something long")
            assert shown(second, "w0 w1 w2")
    assert [state for *_, state, _ in talking.messages()] == ["complete"] * 6


SETTER = """
import sys
from pathlib import Path
from ei.personas.library import Library
library = Library(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[1]))
sys.stdin.readline()
for number in range(200):
    library.set_value("lena", ("model",), f"local:{sys.argv[3]}{number}")
    library.set_value("lena", (sys.argv[3],), number)
print("done")
"""


def test_two_programs_change_the_same_persona_200_times_each(talking: Home) -> None:
    with talking.ei() as t:
        say(t, "/quit")
        t.wait_exit()
    path = talking.persona("lena")
    before = path.read_text()
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", SETTER, str(talking.data / "personas"), str(talking.data / "archive"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=talking.environment(),
        )
        for name in ("left", "right")
    ]
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    assert [program.communicate(timeout=60)[0] for program in programs] == ["done\n", "done\n"]
    ours = re.compile(r'"(model|left|right)": (?:"local:(?:left|right))?199"?,?')
    after = path.read_text().splitlines()
    found = [match[1] for line in after if (match := ours.fullmatch(line.strip()))]
    assert sorted(found) == ["left", "model", "right"]
    kept = [line.rstrip(",") for line in after if not ours.fullmatch(line.strip())]
    assert kept == [line.rstrip(",") for line in before.splitlines()]
    assert [entry.name for entry in path.parent.iterdir()] == ["system.jsonc"]


def test_with_a_full_disk_the_person_is_told_and_keeps_what_was_typed(talking: Home, server: WireServer) -> None:
    with talking.ei() as t:
        ask(t, "Before")
        say(t, "/quit")
        t.wait_exit()
    with talking.ei(most_bytes=60_000) as t:
        t.wait_for("Hello there.")
        for number in range(20):
            say(t, f"A line that must not be lost {number}")
            t.settle(0.3)
            if prompt_line(t):
                break
        assert prompt_line(t) == f"A line that must not be lost {number}"
        assert shown(t, "ei.db could not be read or written: disk I/O error.")
        assert not shown(t, "Something went wrong")
        t.press("ctrl-c")
        say(t, "/quit")
        assert t.wait_exit() == 0
    with talking.ei() as t:
        ask(t, "There is room again")
    texts = [text for role, _, _, text in talking.messages() if role == "user"]
    assert texts == ["Before", *(f"A line that must not be lost {n}" for n in range(number)), "There is room again"]


def test_a_reply_that_no_longer_fits_on_the_disk_is_shown_whole_and_said_to_be_unsaved(
    talking: Home, server: WireServer
) -> None:
    with talking.ei() as t:
        ask(t, "Before")
        say(t, "/quit")
        t.wait_exit()
    words = [f"w{n}" for n in range(60_000)]
    server.script(Answer(" ".join(words), chunks=30_000, delay=0.05))
    with talking.ei(most_bytes=600_000) as t:
        t.wait_for("Hello there.")
        say(t, "Tell me very much")
        t.wait_for("This reply is on the screen only, it could not be saved", timeout=30)
        t.wait_for(lambda t: ended(t) == 1)
        assert re.findall(r"\bw\d+", "\n".join(t.everything)) == words
        say(t, "/quit")
        assert t.wait_exit() == 0
    (_, _, asked, (_, _, state, text)) = talking.messages()
    assert asked == ("user", "", "complete", "Tell me very much")
    assert state in ("failed", "streaming")  # the second where not even its end could be written
    assert " ".join(words).startswith(text)


def test_a_closed_terminal_keeps_what_came(talking: Home, server: WireServer) -> None:
    server.always(Answer("one two three ", chunks=["one ", "two ", "three"], delay=0.01))
    with talking.ei() as t:
        server.always(Hang("one two three"))
        say(t, "go")
        t.wait_for("one two three")
        t.hang_up()
    (_, (_, _, state, text)) = talking.messages()
    assert (state, text) == ("cancelled", "one two three")


def number_in(request: Request) -> str:
    """The number in the question that was asked last."""
    return request.messages[-1][1].split()[1]


def killed(nursery: Nursery, home: Home, persona: str, number: int, moment: float) -> Killed:
    """Talks with that persona in a fresh conversation and kills the program `moment` seconds after the first word."""
    message = f"question {number} please"
    master, slave = os.openpty()
    seen: list[tuple[float, bytes]] = []
    try:
        pid = nursery.start(os.ttyname(slave), home, "-p", persona)
        os.close(slave)
        read_until(master, seen, "❯".encode())
        os.write(master, b"/new\r")
        os.write(master, message.encode() + b"\r")
        read_until(master, seen, b"%dw0" % number)
        read_for(master, seen, moment)
        os.kill(pid, signal.SIGKILL)
        at = time.monotonic()
        read_for(master, seen, 2.0)
    finally:
        os.close(master)
    early = b"".join(data for when, data in seen if when <= at - SAVED_SECONDS)
    words = [int(number) for number in re.findall(rb"\b%dw(\d+)(?=\s|\x1b)" % number, early)]
    return Killed(message, max(words, default=-1) + 1)


def read_until(master: int, seen: list[tuple[float, bytes]], wanted: bytes) -> None:
    end = time.monotonic() + 20
    while wanted not in b"".join(data for _, data in seen):
        assert time.monotonic() < end, f"{wanted!r} never came: {b''.join(data for _, data in seen)!r}"
        read_some(master, seen, 0.1)


def read_for(master: int, seen: list[tuple[float, bytes]], seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not read_some(master, seen, left):
            return


def read_some(master: int, seen: list[tuple[float, bytes]], seconds: float) -> bool:
    """Reads what the program wrote; False when it is gone."""
    if select.select([master], [], [], seconds)[0]:
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux says so when nobody has the other end any more
            return False
        seen.append((time.monotonic(), data))
        return bool(data)
    return True


def turn_of(store: ConversationStore, message: str) -> tuple[Message, Message]:
    """The message with that text, and the reply to it."""
    (found,) = [conversation for conversation in store.list(None, limit=1000) if conversation.first_line == message]
    asked, reply = store.path(found.id)
    assert asked.text == message
    return asked, reply
