"""A key in the encrypted file, in a chat: its passphrase is asked for once, when the first message is sent."""

from __future__ import annotations

from ei.config import Variable
from ei.providers.keystore import Keys
from ei.providers.redactor import Redactor
from tests.chat.homes import Home, ask, say, shown
from tests.wire import WireServer

KEY = "sk-of-a-chat-0123456789abcdef"
PASSPHRASE = "a passphrase of this chat"


def test_the_passphrase_is_asked_for_hidden_and_once(talking: Home, server: WireServer) -> None:
    folder = talking.settings.parent
    keys = Keys(folder, lambda name: Variable(name, PASSPHRASE, "environment"), Redactor())
    keys.put("file", "work", KEY)
    row = f'"work": {{"base_url": "{server.url}", "key": "file:work"}}'
    talking.settings.write_text(f'{{"default_model": "work:tiny", "providers": {{{row}}}}}', "utf-8")
    talking.variables.pop("EI_LLM_MODEL", None)
    with talking.ei() as t:
        say(t, "/model work:tiny")
        t.wait_for("Model for ei set to: work:tiny")
        assert not shown(t, "Passphrase")
        say(t, "hello")
        t.wait_for("Passphrase of your keys")
        say(t, "not that one")
        t.wait_for("The passphrase does not open")
        say(t, "/retry")
        t.wait_for(lambda t: shown(t, "Enter answers"))
        say(t, PASSPHRASE)
        t.wait_for("Hello there.")
        ask(t, "and again")
        assert not shown(t, PASSPHRASE)
        assert KEY.encode() not in t.raw
    assert [request.key for request in server.chats] == [KEY, KEY]
    assert PASSPHRASE.encode() not in b"".join(path.read_bytes() for path in talking.data.rglob("*") if path.is_file())
