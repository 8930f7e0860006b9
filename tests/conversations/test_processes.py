"""Several programs on one folder, and programs that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from ei.conversations.store import ConversationStore
from ei.conversations.values import State
from ei.storage.database import Database
from tests.conversations.helpers import say, texts

APPEND = """
import sys
from pathlib import Path
from ei.conversations.store import ConversationStore
from ei.errors import HeadMovedError
from ei.messages import TextPart
from ei.storage.database import Database
path, id, name, count = sys.argv[1:]
database = Database(Path(path))
store = ConversationStore(database)
sys.stdin.readline()
moved = 0
for number in range(int(count)):
    while True:
        head = store.get(id).head
        try:
            store.append(id, head, "user", "", [TextPart(f"{name} {number}")])
            break
        except HeadMovedError:
            moved += 1
database.close()
print(moved)
"""

STREAM = """
import sys
from pathlib import Path
from ei.conversations.store import ConversationStore
from ei.conversations.values import State
from ei.messages import TextPart
from ei.storage.database import Database
database = Database(Path(sys.argv[1]))
store = ConversationStore(database)
conversation = store.create("ei")
asked = store.append(conversation.id, None, "user", "", [TextPart("Tell me everything.")])
reply = store.append(conversation.id, asked.id, "assistant", "ei", [], State.STREAMING, lease_owner="it", lease_ms=200)
print(conversation.id, flush=True)
for number in range(1_000_000):
    store.save_stream(reply.id, [TextPart("word " * number)], "it", 200)
    print(number, flush=True)
"""


def test_two_programs_append_to_one_conversation_and_nothing_is_lost_or_torn(tmp_path: Path) -> None:
    path, count = tmp_path / "ei.db", 60
    database = Database(path)
    store = ConversationStore(database)
    id = store.create("ei").id
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, str(path), id, name, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("left", "right")
    ]
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    assert [program.communicate()[1] for program in programs] == ["", ""]

    path_texts = texts(store.path(id))
    assert len(path_texts) == len(store.messages(id)) == 2 * count
    for name in ("left", "right"):
        assert [text for text in path_texts if text.startswith(name)] == [f"{name} {n}" for n in range(count)]
    assert len(store.search("left", limit=100)) == count
    database.close()


def test_a_killed_program_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "ei.db"
    for saves in (0, 1, 7):
        with subprocess.Popen([sys.executable, "-c", STREAM, str(path)], stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            id = program.stdout.readline().strip()
            saved = 0
            while saved < saves:
                saved = int(program.stdout.readline())
            program.kill()
            rest = program.stdout.read().splitlines()
        saved = max([saved, *(int(line) for line in rest[:-1])])
        assert program.wait() == (-signal.SIGKILL if sys.platform != "win32" else 1)

        database = Database(path)
        store = ConversationStore(database)
        assert store.path(id)[0].text == "Tell me everything."
        live = store.streaming(id)
        assert live is not None
        assert live.text.count("word ") >= saved
        (ended,) = store.reclaim(2e9)
        assert (ended.id, ended.state, ended.text) == (live.id, State.CANCELLED, live.text)
        assert store.streaming(id) is None
        say(store, id, "Go on")
        assert [message.state for message in store.path(id)] == [State.COMPLETE, State.CANCELLED, State.COMPLETE]
        database.close()


def test_a_program_reads_what_another_one_streams(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", STREAM, str(tmp_path / "ei.db")], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    id = program.stdout.readline().strip()
    database = Database(tmp_path / "ei.db")
    store = ConversationStore(database)
    lengths = []
    for _ in range(3):
        program.stdout.readline()
        live = store.streaming(id)
        assert live is not None
        lengths.append(len(live.text))
    program.kill()
    program.communicate()
    assert lengths == sorted(lengths)
    database.close()
