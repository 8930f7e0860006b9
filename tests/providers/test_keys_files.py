"""Keys in files: the encrypted one and the one in the clear."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ei.config import Variable
from ei.errors import CancelledError, ConfigError, EiError, NeedsAnswerError, UsageError
from ei.providers.keystore import Keys
from ei.providers.redactor import Redactor
from tests.providers.helpers import variables

KEY = "sk-of-a-file-0123456789abcd"
OTHER = "gsk_another_0123456789abcdef"
PASSPHRASE = "correct horse battery"


def keys_at(folder: Path, *answers: str, **environment: str) -> Keys:
    """Keys whose passphrase is asked for: the answers come one after the other."""
    left = list(answers)
    asked = (lambda prompt: left.pop(0)) if answers else None
    return Keys(folder, variables(environment), Redactor(), passphrase=asked)


def unlocked(folder: Path) -> Keys:
    return keys_at(folder, EI_PASSPHRASE=PASSPHRASE)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_put_into_the_encrypted_file_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    keys = unlocked(folder)
    assert keys.put("file", "openai", f" {KEY}\n") == "file:openai"
    keys.put("file", "groq", OTHER)
    assert [unlocked(folder).reveal(f"file:{name}") for name in ("openai", "groq")] == [KEY, OTHER]
    path = folder / "keys.enc"
    assert KEY.encode() not in path.read_bytes()
    assert [file.name for file in folder.iterdir()] == ["keys.enc"]
    if os.name == "posix":
        assert mode(path) == 0o600


def test_a_second_nonce_is_drawn_for_every_change(tmp_path: Path) -> None:
    keys, seen = unlocked(tmp_path), []
    for _ in range(3):
        keys.put("file", "openai", KEY)
        written = json.loads((tmp_path / "keys.enc").read_text())
        seen.append((written["nonce"], written["data"], written["kdf"]["salt"]))
    assert [len({each[part] for each in seen}) for part in range(3)] == [3, 3, 1]


def test_the_last_key_takes_the_file_with_it(tmp_path: Path) -> None:
    keys = unlocked(tmp_path)
    for name in ("a", "b"):
        keys.put("file", name, KEY)
    keys.remove("file:a")
    assert keys.describe("file:a").problem.endswith("has no key named a.")
    keys.remove("file:b")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="no key named b"):
        keys.remove("file:b")


def test_the_passphrase_is_asked_for_once_and_twice_for_a_new_file(tmp_path: Path) -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return PASSPHRASE

    keys = Keys(tmp_path, variables({}), Redactor(), passphrase=ask)
    keys.put("file", "openai", KEY)
    keys.put("file", "groq", OTHER)
    assert prompts == ["New passphrase for your keys", "The same passphrase again"]
    again = Keys(tmp_path, variables({}), Redactor(), passphrase=ask)
    assert (again.describe("file:openai").problem, len(prompts)) == ("", 2)
    threads = [threading.Thread(target=again.reveal, args=("file:openai",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert prompts[2:] == ["Passphrase of your keys"]
    assert again.redactor.hide(f"{PASSPHRASE} {KEY}") == "[key] [key]"


def test_a_passphrase_that_is_short_or_typed_differently_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too short"):
        keys_at(tmp_path, *["short"] * 3).put("file", "openai", KEY)
    with pytest.raises(UsageError, match="are not the same"):
        keys_at(tmp_path, *[PASSPHRASE, "another one"] * 3).put("file", "openai", KEY)
    assert list(tmp_path.iterdir()) == []


def test_a_slip_in_a_new_passphrase_is_asked_about_again_so_that_the_key_is_not_lost(tmp_path: Path) -> None:
    keys = keys_at(tmp_path, "short", PASSPHRASE, "another one", PASSPHRASE, PASSPHRASE)
    keys.put("file", "openai", KEY)
    assert unlocked(tmp_path).reveal("file:openai") == KEY


def test_a_wrong_passphrase_is_one_sentence_and_is_asked_for_anew(tmp_path: Path) -> None:
    unlocked(tmp_path).put("file", "openai", KEY)
    keys = keys_at(tmp_path, "wrong passphrase", PASSPHRASE)
    with pytest.raises(ConfigError) as caught:
        keys.reveal("file:openai")
    assert caught.value.sentence == f"The passphrase does not open {tmp_path / 'keys.enc'}."
    assert keys.reveal("file:openai") == KEY


def test_where_nobody_can_be_asked_the_variable_is_named(tmp_path: Path) -> None:
    unlocked(tmp_path).put("file", "openai", KEY)
    with pytest.raises(NeedsAnswerError, match="Set EI_PASSPHRASE"):
        keys_at(tmp_path).reveal("file:openai")


def test_what_is_known_of_a_key_is_told_while_its_passphrase_is_asked_for(tmp_path: Path) -> None:
    """Who shows the question must not have to wait for its answer."""
    unlocked(tmp_path).put("file", "openai", KEY)
    asked, told = threading.Event(), threading.Event()

    def ask(prompt: str) -> str:
        asked.set()
        assert told.wait(20)
        return PASSPHRASE

    keys, opened = Keys(tmp_path, variables({}), Redactor(), passphrase=ask), []
    thread = threading.Thread(target=lambda: opened.append(keys.reveal("file:openai")), daemon=True)
    thread.start()
    assert asked.wait(20)
    looker = threading.Thread(target=lambda: opened.append(keys.describe("file:openai").problem), daemon=True)
    looker.start()
    looker.join(5)
    assert opened == [""]
    told.set()
    thread.join(20)
    assert opened == ["", KEY]


def test_who_leaves_the_question_is_not_asked_again_at_once(tmp_path: Path) -> None:
    unlocked(tmp_path).put("file", "openai", KEY)

    def leave(prompt: str) -> str:
        raise CancelledError("Left.")

    with pytest.raises(CancelledError):
        Keys(tmp_path, variables({}), Redactor(), passphrase=leave).reveal("file:openai")


def test_a_passphrase_out_of_a_strange_folder_is_not_taken(tmp_path: Path) -> None:
    unlocked(tmp_path).put("file", "openai", KEY)
    lookup = lambda name: Variable(name, PASSPHRASE, ".env in this folder", folder=True)  # noqa: E731
    with pytest.raises(NeedsAnswerError):
        Keys(tmp_path, lookup, Redactor()).reveal("file:openai")


def first_byte(text: str) -> str:
    return ("A" if text[0] != "A" else "B") + text[1:]


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f | {"data": first_byte(f["data"])},
        lambda f: f | {"nonce": first_byte(f["nonce"])},
        lambda f: f | {"names": [*f["names"], "groq"]},
        lambda f: f | {"data": f["data"][:-8]},
        lambda f: f | {"data": "%"},
        lambda f: f | {"format": "other"},
        lambda f: {},
        lambda f: [],
        lambda f: f | {"kdf": f["kdf"] | {"n": 1 << 40}},
        lambda f: f | {"kdf": f["kdf"] | {"r": 0}},
        lambda f: f | {"kdf": f["kdf"] | {"name": "none"}},
    ],
)
def test_a_file_that_was_changed_is_told_from_a_wrong_passphrase(tmp_path: Path, change: Any) -> None:
    unlocked(tmp_path).put("file", "openai", KEY)
    path = tmp_path / "keys.enc"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    keys = unlocked(tmp_path)
    before = path.read_bytes()
    for attempt in (partial(keys.reveal, "file:openai"), partial(keys.put, "file", "groq", OTHER)):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert caught.value.sentence == f"{path} is damaged, or somebody changed it."
    assert path.read_bytes() == before


@pytest.mark.parametrize("part", ["salt", "n"])
def test_another_salt_or_cost_opens_nothing(tmp_path: Path, part: str) -> None:
    unlocked(tmp_path).put("file", "openai", KEY)
    path = tmp_path / "keys.enc"
    fields = json.loads(path.read_text())
    fields["kdf"][part] = 1024 if part == "n" else first_byte(fields["kdf"]["salt"])
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match="The passphrase does not open"):
        unlocked(tmp_path).reveal("file:openai")


def test_text_that_is_no_json_is_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "keys.enc").write_bytes(b"\x00\xff{")
    keys = unlocked(tmp_path)
    assert keys.describe("file:openai").problem == f"{tmp_path / 'keys.enc'} is damaged, or somebody changed it."


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    unlocked(tmp_path).put("file", "openai", KEY)
    path = tmp_path / "keys.enc"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(ConfigError, match="later version"):
        unlocked(tmp_path).put("file", "groq", OTHER)


def test_two_processes_that_put_keys_at_once_lose_none(tmp_path: Path) -> None:
    unlocked(tmp_path).put("file", "zero", KEY)
    keys_at(tmp_path).put("plain", "zero", KEY)
    program = (
        "import sys; from pathlib import Path; from ei.config import Variable\n"
        "from ei.providers.keystore import Keys; from ei.providers.redactor import Redactor\n"
        f"keys = Keys(Path({str(tmp_path)!r}), lambda n: Variable(n, {PASSPHRASE!r}, 'environment'), Redactor())\n"
        "for number in range(8):\n"
        "    for kind in ('file', 'plain'):\n"
        "        keys.put(kind, f'{sys.argv[1]}-{number}', f'sk-{sys.argv[1]}-{number}-0123456789')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, name]) for name in ("a", "b")]
    assert [process.wait(60) for process in running] == [0, 0]
    keys = unlocked(tmp_path)
    for kind in ("file", "plain"):
        found = [keys.reveal(f"{kind}:{name}-{n}") for name in "ab" for n in range(8)]
        assert found == [f"sk-{name}-{n}-0123456789" for name in "ab" for n in range(8)]


def test_what_another_process_put_makes_another_source(tmp_path: Path) -> None:
    mine, theirs = unlocked(tmp_path), unlocked(tmp_path)
    mine.put("file", "openai", KEY)
    before = mine.source("file:openai")
    assert mine.source("file:openai") == before
    theirs.put("file", "openai", OTHER)
    assert mine.source("file:openai") != before
    assert mine.reveal("file:openai") == OTHER


# In the clear.


def test_the_plain_file_is_its_owners_alone(tmp_path: Path) -> None:
    keys = keys_at(tmp_path)
    keys.put("plain", "openai", KEY)
    path = tmp_path / "keys.plain.json"
    assert json.loads(path.read_text()) == {"openai": KEY}
    assert keys.describe("plain:openai").last4 == KEY[-4:]
    if os.name == "posix":
        assert mode(path) == 0o600
    keys.remove("plain:openai")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="there are no permission bits there")
@pytest.mark.parametrize("bits", [0o640, 0o604, 0o644, 0o620])
def test_a_plain_file_that_others_can_read_is_not_read(tmp_path: Path, bits: int) -> None:
    keys = keys_at(tmp_path)
    keys.put("plain", "openai", KEY)
    path = tmp_path / "keys.plain.json"
    path.chmod(bits)
    sentence = f"{path} is not read: others on this machine can read it."
    attempts = (partial(keys.reveal, "plain:openai"), partial(keys.put, "plain", "b", KEY))
    for attempt in attempts:
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert caught.value.sentence == sentence
        assert "chmod 600" in caught.value.hint
    state = keys.describe("plain:openai")
    assert (state.problem, state.last4) == (sentence, "")
    assert {kind.kind: kind.problem for kind in keys.kinds()}["plain"] == sentence


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', "sk-hush"])
def test_a_plain_file_of_another_form_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.plain.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        keys_at(tmp_path).put("plain", "openai", KEY)
    assert "hush" not in str(caught.value)
    assert path.read_text() == text


# Moving.


def test_a_key_moves_and_is_gone_where_it_was(tmp_path: Path) -> None:
    keys = unlocked(tmp_path)
    keys.put("plain", "openai", KEY)
    assert keys.move("plain:openai", "file") == "file:openai"
    assert not (tmp_path / "keys.plain.json").exists()
    assert keys.reveal("file:openai") == KEY


def test_a_variable_is_copied_and_stays(tmp_path: Path) -> None:
    keys = keys_at(tmp_path, WORK_KEY=KEY)
    assert keys.move("env:WORK_KEY", "plain", "work") == "plain:work"
    assert (keys.reveal("plain:work"), keys.reveal("env:WORK_KEY")) == (KEY, KEY)


def test_a_key_that_cannot_be_kept_elsewhere_stays(tmp_path: Path) -> None:
    keys = keys_at(tmp_path)
    keys.put("plain", "openai", KEY)
    with pytest.raises(NeedsAnswerError):
        keys.move("plain:openai", "file")
    with pytest.raises(UsageError, match="already"):
        keys.move("plain:openai", "plain")
    assert keys.reveal("plain:openai") == KEY


@pytest.mark.parametrize(
    "attempt",
    [
        lambda keys: keys.put("env", "OPENAI_API_KEY", KEY),
        lambda keys: keys.put("cmd", "op", KEY),
        lambda keys: keys.put("vault", "op", KEY),
        lambda keys: keys.put("plain", "../x", KEY),
        lambda keys: keys.put("plain", KEY, KEY),
        lambda keys: keys.put("plain", "openai", f"{KEY} more"),
        lambda keys: keys.put("plain", "openai", " "),
        lambda keys: keys.remove("env:OPENAI_API_KEY"),
        lambda keys: keys.remove("cmd:op read"),
        lambda keys: keys.move("cmd:op read", "plain"),
        lambda keys: keys.reveal(KEY),
        lambda keys: keys.reveal("env:NOWHERE_SET"),
        lambda keys: keys.reveal("plain:nobody"),
    ],
)
def test_what_cannot_be_is_one_sentence_without_the_key(tmp_path: Path, attempt: Any) -> None:
    with pytest.raises(EiError) as caught:
        attempt(keys_at(tmp_path))
    assert KEY not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_place_is_described_without_opening_it(tmp_path: Path) -> None:
    keys = keys_at(tmp_path, WORK_KEY=KEY)
    unlocked(tmp_path).put("file", "openai", KEY)
    found = {r: keys.describe(r) for r in ("env:WORK_KEY", "env:NONE", "cmd:op read x", "file:openai", "keyring:a")}
    assert (found["env:WORK_KEY"].where, found["env:WORK_KEY"].last4) == ("WORK_KEY", KEY[-4:])
    assert found["env:NONE"].problem == "NONE is not set."
    assert found["cmd:op read x"].where == "the command op …"
    assert (found["file:openai"].last4, found["file:openai"].problem) == ("", "")
    assert found["keyring:a"].where.endswith(", a")
    assert KEY not in str(found)
    kinds = {kind.kind: kind for kind in keys.kinds()}
    assert list(kinds) == ["env", "keyring", "cmd", "file", "plain"]
    assert [kinds["env"].writable, kinds["file"].writable, kinds["plain"].writable] == [False, True, True]
