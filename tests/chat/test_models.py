"""The list of models in a chat: asked for in the background, told about once, and in nobody's way."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from tests.chat.homes import Home, ask, say, shown
from tests.wire import Hang, Status, WireServer

SYNC = {"EI_MODELS_SYNC": "on", "EI_LLM_MODEL": "local:tiny"}


def syncing(home: Home, server: WireServer, **more: str) -> Home:
    """The home with a local server, where lists are asked for in the background."""
    home.variables.update({"EI_LLM_BASE_URL": server.url, **SYNC, **more})
    return home


def rows(home: Home, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.data / "ei.db", timeout=30)) as connection:
        return connection.execute(sql).fetchall()


def is_known(home: Home, name: str) -> bool:
    return rows(home, f"SELECT count(*) FROM model WHERE name = '{name}'") == [(1,)]


def test_models_are_asked_for_in_the_background_and_what_is_gone_is_told_once(home: Home) -> None:
    with WireServer() as server:
        server.models("tiny", "other-7b")
        with syncing(home, server).ei() as terminal:
            terminal.wait_for(lambda t: is_known(home, "other-7b"))
            say(terminal, "/models --all")
            terminal.wait_for(lambda t: shown(t, "local:other-7b balanced"))
        with closing(sqlite3.connect(home.data / "ei.db")) as connection, connection:
            connection.execute("UPDATE synced SET at_ms = 0")
        server.models("other-7b")
        gone = "local:tiny is no longer in the list of local. It is used by EI_LLM_MODEL"
        with syncing(home, server).ei() as terminal:
            terminal.wait_for(lambda t: shown(t, gone))
        with closing(sqlite3.connect(home.data / "ei.db")) as connection, connection:
            connection.execute("UPDATE synced SET at_ms = 0")
        with syncing(home, server).ei() as terminal:
            terminal.wait_for(lambda t: rows(home, "SELECT min(at_ms) > 0 FROM synced") == [(1,)])
            ask(terminal, "Hello")
            assert not shown(terminal, gone)


def test_a_list_that_never_comes_holds_up_neither_a_reply_nor_leaving(home: Home) -> None:
    with WireServer() as server, WireServer() as silent:
        silent.list_behaviour = Hang()
        more = {"EI_GROQ_BASE_URL": silent.url, "EI_GROQ_API_KEY": "k"}
        with syncing(home, server, **more).ei() as terminal:
            terminal.wait_for(lambda t: bool(silent.requests))
            ask(terminal, "Hello")
            began = time.monotonic()
            say(terminal, "/quit")
            assert terminal.wait_exit(10) == 0
            assert time.monotonic() - began < 5


def test_nothing_is_said_of_providers_that_fail(home: Home) -> None:
    with WireServer() as server:
        server.models("tiny")
        server.pages = Status(503)
        with syncing(home, server).ei() as terminal:
            terminal.wait_for(lambda t: is_known(home, "eliza"))
            ask(terminal, "Hello")
            assert not shown(terminal, "busy")


def test_what_is_gone_is_told_replaced_everywhere_and_taken_back(home: Home) -> None:
    with WireServer(strict_models=True) as server:
        server.models("tiny-7b", "small-7b")
        home.variables.update(EI_LLM_BASE_URL=server.url, EI_MODELS_SYNC="off")
        home.settings.parent.mkdir(parents=True, exist_ok=True)
        home.settings.write_text('{\n  // mine\n  "default_model": "local:tiny-7b", // since spring\n}\n', "utf-8")
        before = home.settings.read_bytes()
        with home.ei() as terminal:
            say(terminal, "/models sync local")
            terminal.wait_for(lambda t: shown(t, "2 new, 0 changed, 0 gone."))
            server.models("small-7b")
            say(terminal, "Hello?")
            terminal.wait_for(lambda t: shown(t, 'local has no model "tiny-7b". Nearest now: small-7b.'))
            command = "/models replace local:tiny-7b local:small-7b"
            assert shown(terminal, command)
            say(terminal, command)
            terminal.wait_for(lambda t: shown(t, "Replace local:tiny-7b by local:small-7b in 1 place?"))
            assert home.settings.read_bytes() == before
            say(terminal, "/yes")
            terminal.wait_for(lambda t: shown(t, "local:tiny-7b is local:small-7b in 1 place now."))
            assert home.settings.read_bytes() == before.replace(b"tiny-7b", b"small-7b")
            ask(terminal, "And now?")
            assert server.last.model == "small-7b"
            say(terminal, "/models replace --undo")
            terminal.wait_for(lambda t: shown(t, "local:tiny-7b stands again in 1 place, instead of local:small-7b."))
            assert home.settings.read_bytes() == before
