"""Keys stay where they belong: none is printed, logged, stored, exported, or sent to a stranger."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ei.config import Variable
from ei.errors import ExitCode
from ei.providers.keystore import Keys
from ei.providers.redactor import Redactor
from tests.run_ei import Ei, Ran
from tests.secret_service import with_secret_service
from tests.wire import Answer, Cut, Raw, Request, Status, StreamError, WireServer

ENVIRONMENT = "sk-proj-ENVIRONMENTKEY0123456789"
FOLDER = "gsk_FOLDERKEY0123456789abcdef"
CONFIGURED = "CONFIGFOLDERKEY-0123-4567"
REFERRED = "REFERREDKEY/with+odd=signs=="
HEADER = "Basic SEVBREVSS0VZMDEyMzQ1Njc4OQ=="
LITERAL = "literal-header-secret-0123"
SECRETS = (ENVIRONMENT, FOLDER, CONFIGURED, REFERRED, HEADER, LITERAL)

SETTINGS = """{
  "retry": {"attempts": 1},
  "providers": {
    "work": {
      "base_url": "URL",
      "key": "env:WORK_ACCESS",
      "headers": {"X-Auth": "env:WORK_HEADER", "X-Team": "LITERAL"}
    }
  }
}
"""


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def ei(tmp_path: Path, server: WireServer) -> Ei:
    home = Ei(tmp_path / "home", EI_OPENAI_API_KEY=ENVIRONMENT, WORK_ACCESS=REFERRED, WORK_HEADER=HEADER)
    home.settings(SETTINGS.replace("URL", server.url).replace("LITERAL", LITERAL))
    (home.config / ".env").write_text(f'EI_ANTHROPIC_API_KEY="{CONFIGURED}"\n')
    (home.folder / ".env").write_text(f"export EI_GROQ_API_KEY='{FOLDER}'\nEI_GROQ_BASE_URL={server.url}\n")
    return home.set(EI_OPENAI_BASE_URL=server.url, EI_ANTHROPIC_BASE_URL=server.anthropic_url)


MODELS = ("openai:tiny", "work:tiny", "groq:tiny", "anthropic:tiny")


def leaks(ei: Ei, *runs: Ran) -> list[str]:
    """The secrets that are in what was printed or in any file that ei wrote."""
    (ei.folder / ".env").unlink(missing_ok=True)
    (ei.config / ".env").unlink(missing_ok=True)
    (ei.config / "settings.jsonc").unlink(missing_ok=True)
    everything = ei.written() + "".join(run.out + run.err for run in runs).encode()
    return [secret for secret in SECRETS if secret.encode() in everything]


def test_every_key_reaches_its_own_provider(ei: Ei, server: WireServer) -> None:
    for model in MODELS:
        assert ei("ask", "-m", model, "hi").code == 0
    openai, work, groq, anthropic = server.chats
    assert (openai.key, work.key, groq.key, anthropic.key) == (ENVIRONMENT, REFERRED, FOLDER, CONFIGURED)
    assert (work.headers["x-auth"], work.headers["x-team"]) == (HEADER, LITERAL)
    assert not [
        name for request in (openai, groq, anthropic) for name in request.headers if name in ("x-auth", "x-team")
    ]


def echoing(code: int) -> object:
    def answer(request: Request) -> Status:
        sent = f"{request.key} {request.headers.get('x-auth', '')} {request.headers.get('x-team', '')}"
        return Status(code, f"You sent {sent}, which is wrong.", "authentication_error", "invalid_api_key")

    return answer


def in_json(request: Request) -> Status:
    return Status(400, body={"error": {"message": {"nested": [request.key, dict(request.headers)]}}})


def in_a_page(request: Request) -> Status:
    return Status(500, body=f"<html>{request.key} {request.headers}</html>")


def in_the_stream(request: Request) -> StreamError:
    return StreamError("half", f"{request.key} {request.headers}", "server_error")


def no_reply(request: Request) -> Raw:
    return Raw(f"data: {request.key} {request.headers}\n\n".encode(), content_type="text/event-stream")


@pytest.mark.parametrize(
    "behaviour",
    [
        *map(echoing, (401, 403, 404, 429, 500)),
        in_json,
        in_a_page,
        in_the_stream,
        no_reply,
        Cut("half"),
        Cut("", how="reset"),
    ],
    ids=["401", "403", "404", "429", "500", "json", "page", "stream", "nonsense", "cut", "reset"],
)
def test_a_server_that_gives_the_key_back_finds_no_way_for_it(ei: Ei, server: WireServer, behaviour: object) -> None:
    server.always(behaviour)  # type: ignore[arg-type]
    runs = [ei("ask", "-m", model, *more, "hi") for model in MODELS[:3] for more in ([], ["--json"])]
    runs.append(ei("ask", "-m", "anthropic:tiny", "hi"))
    assert {run.code for run in runs} == {ExitCode.PROVIDER}
    assert len(server.chats) >= len(runs)
    assert {secret for request in server.chats for secret in SECRETS if secret in str(request.headers)} == set(SECRETS)
    runs += [ei("history", "--json"), ei("export", runs[1].json["conversation_id"])]
    assert leaks(ei, *runs) == []


def test_a_refused_connection_names_no_key(ei: Ei, server: WireServer) -> None:
    server.close()
    runs = [ei("ask", "-m", model, "hi") for model in MODELS]
    assert {run.code for run in runs} == {ExitCode.PROVIDER}
    assert leaks(ei, *runs) == []


def test_a_crash_writes_a_log_without_keys(ei: Ei, server: WireServer) -> None:
    """What nobody foresaw, with every key in the words of the exception, in the reply and in the command line."""
    crash = ei.home / "sitecustomize.py"
    crash.write_text(
        "import os, ei.engine.turn as turn, ei.personas.library as library\n"
        "def words(*_):\n"
        f"    raise LookupError('zebra ' + ' '.join({SECRETS!r}))\n"
        "if os.environ.get('CRASH') == 'turn': turn.Turn._take = words\n"
        "if os.environ.get('CRASH') == 'start': library.Library.seed = words\n"
    )
    path = f"{ei.home}{os.pathsep}{ei.variables['PYTHONPATH']}"
    ei.set(PYTHONDONTWRITEBYTECODE="1")
    runs = [ei("ask", "-m", "work:tiny", "hi", env={"PYTHONPATH": path, "CRASH": where}) for where in ("turn", "start")]
    settings = ei.config / "settings.jsonc"
    whole = settings.read_text("utf-8")
    settings.write_text(whole.replace('"attempts": 1', '"attempts": '))
    runs.append(ei("history", env={"PYTHONPATH": path, "CRASH": "start"}))
    crash.unlink()
    log = (ei.data / "ei.log").read_text("utf-8")
    assert log.count("LookupError: zebra [key]") >= 2
    assert [run.code for run in runs] == [ExitCode.PROVIDER, ExitCode.PROVIDER, ExitCode.CONFIG]
    assert leaks(ei, *runs) == []


def test_what_is_shown_of_providers_and_settings_has_no_key(ei: Ei) -> None:
    runs = [
        ei(*argv, *more)
        for argv in (
            ["settings"],
            ["settings", "providers"],
            ["model", "--list"],
            ["model", "why"],
            ["model"],
            ["prompt"],
        )
        for more in ([], ["--json"])
    ]
    assert {run.code for run in runs} == {0}
    assert "env:WORK_ACCESS" in runs[1].out
    assert leaks(ei, *runs) == []


def test_a_key_written_where_a_reference_belongs_is_refused_and_not_repeated(ei: Ei) -> None:
    path = ei.config / "settings.jsonc"
    path.write_text(path.read_text("utf-8").replace("env:WORK_ACCESS", ENVIRONMENT))
    runs = [ei("ask", "-m", "work:tiny", "hi"), ei("model", "--list"), ei("settings", "--json")]
    assert (runs[0].code, runs[0].out) == (ExitCode.CONFIG, "")
    assert "must be a reference such as env:" in runs[0].err
    runs.append(ei("settings", "providers", f'{{"openai": {{"key": "{ENVIRONMENT}"}}}}'))
    assert runs[-1].code == ExitCode.USAGE
    assert leaks(ei, *runs) == []


# A folder that somebody else wrote.


@pytest.mark.parametrize(
    ("provider", "variables"),
    [
        ("openai", {"EI_OPENAI_BASE_URL": "URL"}),
        ("openai", {"OPENAI_BASE_URL": "URL"}),
        ("anthropic", {"EI_ANTHROPIC_BASE_URL": "BARE"}),
        ("work", {"EI_WORK_BASE_URL": "URL"}),
        ("local", {"EI_LLM_BASE_URL": "URL"}),
        ("google", {"EI_GOOGLE_BASE_URL": "URL", "EI_DATA_PATH": "elsewhere", "EI_CONFIG": "elsewhere"}),
    ],
)
def test_an_address_of_a_strange_folder_never_gets_a_key(
    tmp_path: Path, ei: Ei, provider: str, variables: dict[str, str]
) -> None:
    for name in ("EI_OPENAI_BASE_URL", "EI_ANTHROPIC_BASE_URL", "EI_LLM_BASE_URL"):
        ei.variables.pop(name, None)
    ei.set(EI_GOOGLE_API_KEY=ENVIRONMENT, GEMINI_API_KEY=ENVIRONMENT, EI_LLM_API_KEY=ENVIRONMENT)
    with WireServer() as hostile:
        addresses = {"URL": hostile.url, "BARE": hostile.anthropic_url}
        lines = [f"{name}={addresses.get(value, value)}" for name, value in variables.items()]
        (ei.folder / ".env").write_text("\n".join(lines) + "\n")
        runs = [
            ei("ask", "-m", f"{provider}:tiny", "hi"),
            ei("ask", "--json", "-m", f"{provider}:tiny", "hi"),
            ei("model", "--list", provider),
            ei("model", "--list"),
        ]
        seen = "".join(f"{request.headers} {request.query} {request.body}" for request in hostile.requests)
    assert [secret for secret in SECRETS if secret in seen] == []
    assert not (ei.folder / "elsewhere").exists()
    assert leaks(ei, *runs) == []


def test_an_address_and_a_key_of_the_same_folder_go_together(ei: Ei) -> None:
    with WireServer() as own:
        (ei.folder / ".env").write_text(f"EI_OPENAI_BASE_URL={own.url}\nEI_OPENAI_API_KEY={FOLDER}\n")
        del ei.variables["EI_OPENAI_BASE_URL"]
        assert ei("ask", "-m", "openai:tiny", "hi").code == 0
        assert own.last.key == FOLDER


def test_a_redirect_takes_no_key_along(ei: Ei, server: WireServer) -> None:
    with WireServer() as other:
        server.always(Status(307, headers={"location": f"{other.url}/chat/completions"}))
        runs = [ei("ask", "-m", model, "hi") for model in ("openai:tiny", "anthropic:tiny")]
        assert other.requests == []
    assert {run.code for run in runs} == {ExitCode.PROVIDER}
    assert leaks(ei, *runs) == []


def test_the_database_and_its_folder_are_the_persons_alone(ei: Ei, server: WireServer) -> None:
    server.always(Answer("ok"))
    assert ei("ask", "-m", "openai:tiny", "hi").code == 0
    if os.name == "posix":
        assert (ei.data / "ei.db").stat().st_mode & 0o077 == 0
    database = sqlite3.connect(ei.data / "ei.db")
    stored = [str(row) for table in ("message", "calls") for row in database.execute(f"SELECT * FROM {table}")]
    database.close()
    assert "openai" in "".join(stored)
    assert leaks(ei) == []


# Keys that are kept elsewhere: in a keyring, an encrypted or a plain file, or given by a command.

FILED = "sk-FILEDKEY-0123456789-abcdef"
PLAINED = "gsk_PLAINKEY+0123456789/abcdef"
COMMANDED = "COMMANDKEY.0123456789.abcdef=="
RINGED = "xai-RINGKEY-0123456789-abcdef"
PASSPHRASE = "a passphrase of the tests"
STORED = {"filed": FILED, "plained": PLAINED, "commanded": COMMANDED}
STORED_SETTINGS = """{
  "retry": {"attempts": 1},
  "llm_profiles": [
    {"id": "both", "model": "filed:tiny", "fallback": ["plained:tiny", "commanded:tiny"]},
    {"id": "own", "model": "openai:tiny", "api_key_ref": "file:filed"}
  ],
  "providers": {
    "filed": {"base_url": "URL", "key": "file:filed"},
    "plained": {"base_url": "URL", "key": "plain:plained"},
    "commanded": {"base_url": "URL", "key": "cmd:COMMAND"},
    "ringed": {"base_url": "URL", "key": "keyring:ringed"}
  }
}
"""


@pytest.fixture
def keeper(tmp_path: Path, server: WireServer) -> Ei:
    """A home whose keys are in every place that needs no service."""
    ei = Ei(tmp_path / "home", EI_PASSPHRASE=PASSPHRASE, EI_OPENAI_BASE_URL=server.url)
    give = tmp_path / "give.py"
    give.write_text(f"import sys\nprint({COMMANDED!r})\nprint('hush', file=sys.stderr)\n")
    command = f"{sys.executable} {give}".replace("\\", "\\\\")
    ei.settings(STORED_SETTINGS.replace("URL", server.url).replace("COMMAND", command))
    keys = Keys(ei.config, lambda name: Variable(name, PASSPHRASE, "environment"), Redactor())
    keys.put("file", "filed", FILED)
    keys.put("plain", "plained", PLAINED)
    return ei


def stored_leaks(ei: Ei, *runs: Ran, also: str = "") -> list[str]:
    """The keys that are in what was printed or in any file that ei wrote, but for the one that keeps keys plainly."""
    (ei.config / "keys.plain.json").unlink(missing_ok=True)
    everything = ei.written() + "".join(run.out + run.err for run in runs).encode() + also.encode()
    return [secret for secret in (*STORED.values(), RINGED, PASSPHRASE) if secret.encode() in everything]


def test_a_stored_key_reaches_its_provider(keeper: Ei, server: WireServer) -> None:
    runs = [keeper("ask", "-m", f"{name}:tiny", "hi") for name in STORED]
    runs.append(keeper("ask", "-m", "profile:own", "hi"))
    assert [run.code for run in runs] == [0, 0, 0, 0], runs
    assert [request.key for request in server.chats] == [*STORED.values(), FILED]
    assert stored_leaks(keeper, *runs) == []


def in_the_reply(request: Request) -> Answer:
    return Answer(f"your key is {request.key}, is it not?", reasoning=f"It is {request.key}.", chunks=3)


@pytest.mark.parametrize(
    "behaviour",
    [echoing(401), echoing(500), in_json, in_the_stream, no_reply, in_the_reply],
    ids=["401", "500", "json", "stream", "nonsense", "reply"],
)
def test_a_server_that_gives_a_stored_key_back_finds_no_way_for_it(
    keeper: Ei, server: WireServer, behaviour: object
) -> None:
    server.always(behaviour)  # type: ignore[arg-type]
    runs = [keeper("ask", "--json", "-m", f"{name}:tiny", "hi") for name in STORED]
    runs.append(keeper("ask", "--yes", "-m", "profile:both", "hi"))
    assert {request.key for request in server.chats} >= set(STORED.values())
    runs += [keeper("history", "--json"), keeper("export", runs[0].json["conversation_id"])]
    if behaviour is in_the_reply:
        assert runs[0].json["content"] == "your key is [key], is it not?"
    assert stored_leaks(keeper, *runs) == []


def test_a_list_of_models_that_holds_the_key_is_kept_without_it(keeper: Ei, server: WireServer) -> None:
    def listing(request: Request) -> Raw:
        rows = f'{{"data": [{{"id": "tiny-{request.key}", "name": "{request.key}"}}, {{"id": "tiny"}}]}}'
        return Raw(rows.encode(), content_type="application/json")

    server.pages = listing
    runs = [keeper("models", "sync", *STORED), keeper("models", "--all", "--json"), keeper("model", "--list", "filed")]
    server.pages = lambda request: Status(401, f"{request.key} is wrong")
    runs += [keeper("models", "sync", *STORED), keeper("model", "--list", "plained"), keeper("model", "--list")]
    assert {request.key for request in server.requests} >= set(STORED.values())
    assert "tiny-[key]" in runs[2].out
    assert stored_leaks(keeper, *runs) == []


def test_a_refused_connection_and_a_cut_name_no_stored_key(keeper: Ei, server: WireServer) -> None:
    server.always(Cut("half"))
    runs = [keeper("ask", "-m", "profile:both", "hi")]
    server.close()
    runs += [keeper("ask", "--yes", "-m", model, "hi") for model in ("profile:both", "commanded:tiny")]
    runs.append(keeper("models", "sync"))
    assert {run.code for run in runs[1:3]} == {ExitCode.PROVIDER}
    assert stored_leaks(keeper, *runs) == []


def test_a_crash_after_a_key_was_opened_writes_a_log_without_it(keeper: Ei, server: WireServer) -> None:
    """In a turn, whose failure is told, and outside of one, which is the end of the program."""
    crash = keeper.home / "sitecustomize.py"
    crash.write_text(
        "import os, ei.ask as ask, ei.engine.turn as turn\n"
        "def words(*_):\n"
        f"    raise LookupError('zebra ' + ' '.join({tuple(STORED.values())!r}))\n"
        "if os.environ.get('CRASH') == 'turn': turn.Turn._take = words\n"
        "if os.environ.get('CRASH') == 'end': ask._code = words\n"
    )
    path = f"{keeper.home}{os.pathsep}{keeper.variables['PYTHONPATH']}"
    keeper.set(PYTHONDONTWRITEBYTECODE="1")
    runs = []
    for where in ("turn", "end"):
        env = {"PYTHONPATH": path, "CRASH": where}
        server.always(Answer("ok") if where == "turn" else Status(500, "no"))
        model = "filed:tiny" if where == "turn" else "profile:both"
        runs.append(keeper("ask", "--yes", "-m", model, "hi", env=env))
    crash.unlink()
    log = (keeper.data / "ei.log").read_text("utf-8")
    assert log.count("LookupError: zebra [key]") >= 2
    assert {run.code for run in runs} == {ExitCode.PROVIDER}
    # Only what was opened in a run is known in it: the first one knew of one key.
    assert [key for key in (FILED,) if key in log] == []
    assert log.rindex("zebra [key] [key] [key]") > log.index("zebra [key]")


@pytest.mark.parametrize(
    ("passphrase", "code", "words"),
    [("", ExitCode.NEEDS_ANSWER, "Set EI_PASSPHRASE"), ("not that one", ExitCode.CONFIG, "does not open")],
)
def test_a_key_that_stays_locked_is_one_sentence(
    keeper: Ei, server: WireServer, passphrase: str, code: ExitCode, words: str
) -> None:
    keeper.variables.pop("EI_PASSPHRASE")
    env = {"EI_PASSPHRASE": passphrase} if passphrase else {}
    runs = [keeper("ask", *more, "-m", "filed:tiny", "hi", env=env) for more in ([], ["--json"])]
    assert [run.code for run in runs] == [ExitCode.PROVIDER] * 2 or [run.code for run in runs] == [code] * 2
    assert all("filed has no API key it can use." in run.out + run.err and words in run.out + run.err for run in runs)
    assert server.chats == []
    assert keeper("model", "--list").code == 0
    assert stored_leaks(keeper, *runs) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is a Secret Service on Linux only")
def test_a_key_in_a_keyring_is_sent_and_nowhere_written(keeper: Ei, server: WireServer, tmp_path: Path) -> None:
    server.script("ok", echoing(401), echoing(500), in_the_reply)  # type: ignore[arg-type]
    program = (
        "import subprocess, sys, pathlib, os\n"
        "from ei.providers.keystore import Keys; from ei.providers.redactor import Redactor\n"
        f"Keys(pathlib.Path('.'), lambda name: None, Redactor()).put('keyring', 'ringed', {RINGED!r})\n"
        "for more in ([], [], ['--json'], ['--json']):\n"
        "    words = [sys.executable, '-m', 'ei', 'ask', *more, '-m', 'ringed:tiny', 'hi']\n"
        "    done = subprocess.run(words, capture_output=True, text=True)\n"
        "    print(done.returncode, done.stdout, done.stderr)\n"
    )
    variables = {name: value for name, value in keeper.variables.items() if name != "HOME"}
    printed = with_secret_service(tmp_path / "ring", program, variables=variables)
    assert [request.key for request in server.chats] == [RINGED] * 4
    assert [line[0] for line in printed.splitlines() if line[:2] in ("0 ", "1 ")] == ["0", "1", "1", "0"]
    assert "your key is [key], is it not?" in printed
    runs = [keeper("history", "--json"), keeper("model", "--list")]
    assert stored_leaks(keeper, *runs, also=printed) == []
