"""What /setup found, in words: lines to read, rows to choose from, and the same as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ei.commands.base import Choice, Invocation, Item, Line
from ei.commands.provider_tests import sentence
from ei.commands.words import plural
from ei.models.choosing import is_sent_on

if TYPE_CHECKING:
    from ei.engine.setup import Findings, Keyed, Reached
    from ei.models.resolve import Resolution

ADD, INSTALL, AGAIN = "add", "install", "again"
SERVER, KEY = "server ", "key "
"""Begin the keys of rows: a server by its number, a provider by its name."""
HERE, YOURS, MORE = "on this machine, free", "with a key, at its provider's price", "more"


def found_lines(found: Findings) -> list[Item]:
    """What answers and which keys there are, a line each."""
    lines: list[Item] = [Line("On this machine", "title")]
    for reached in found.servers:
        server = reached.server
        has = server.problem or ("it wants a key" if server.needs_key else plural(len(server.models), "chat model"))
        new = "" if not reached.settings else ", not set up yet"
        good = bool(server.models)
        lines.append(
            Line(f"  {'✓' if good else '✗'} {server.label}, {server.url}: {has}{new}", "good" if good else "warn")
        )
    lines += [Line(f"  ✗ {label}, {url}: nothing answers", "dim") for label, url in found.silent]
    if not found.servers and not found.silent:
        lines.append(Line("  no model server answers", "dim"))
    if found.private:
        lines.append(Line(f"{found.private.sentence}: nothing on the network is asked or offered.", "good"))
        return lines
    lines.append(Line("Keys", "title"))
    for keyed in found.keys:
        mark = "–" if keyed.looked is None else "✓" if keyed.works else "✗"
        lines.append(Line(f"  {mark} {named(keyed)}{key_told(keyed)}", "good" if mark == "✓" else "warn"))
    if not found.keys:
        lines.append(Line("  none is set", "dim"))
    return lines


def named(keyed: Keyed) -> str:
    """`EI_OPENAI_API_KEY: `, nothing where that is not known."""
    return f"{keyed.source}: " if keyed.source else ""


def key_told(keyed: Keyed) -> str:
    """How the test of a key went, in words."""
    return f"{keyed.provider}, {keyed.untested}." if keyed.looked is None else sentence(keyed.looked)


def now_line(persona: str, now: Resolution | None, problem: str) -> Line:
    """Who answers as things are."""
    if now is None:
        return Line(f"Now {persona} cannot answer: {problem}", "warn")
    return Line(f"Now {persona} answers with {now.model} ({now.where}).", "accent")


def menu_rows(found: Findings) -> list[Choice]:
    """What can be done next; what cannot be says why."""
    rows = [_server_row(number, reached) for number, reached in enumerate(found.servers)]
    if not found.private:
        rows += [_key_row(keyed) for keyed in found.keys]
    private = f"{found.private.sentence}." if found.private else ""
    no_ollama = "" if found.ollama else "Ollama does not answer: get it at ollama.com, start it, look again."
    return [
        *rows,
        Choice(ADD, "Give a provider its key", "hidden while it is typed", MORE, private, words="key api"),
        Choice(INSTALL, "Install a local model", "with Ollama", MORE, no_ollama, words="pull download"),
        Choice(AGAIN, "Look again", "after something was started or set", MORE),
    ]


def menu_facts(found: Findings, rows: Sequence[Choice]) -> Callable[[str], str]:
    """What is known of each of those rows, in a sentence or two."""
    silent = " and ".join(f"{label} at {url}" for label, url in found.silent)
    said = {
        **{row.key: row.dimmed for row in rows if row.dimmed},
        **{f"{KEY}{keyed.provider}": f"{named(keyed)}{key_told(keyed)}" for keyed in found.keys},
    }
    for number, reached in enumerate(found.servers):
        at = f"{reached.server.label}, {reached.server.url}"
        then = f"; it becomes the provider {reached.provider}" if reached.settings else f", {reached.provider}"
        said.setdefault(f"{SERVER}{number}", f"{at}{then}")
    said.setdefault(ADD, "It is tested first, then kept where you say; a key of the environment wins over it.")
    said.setdefault(INSTALL, "Chosen from a list with sizes, or by its name; the download goes on beside the talk.")
    said.setdefault(AGAIN, f"Nothing answers where these should be: {silent}." if silent else "")
    return lambda key: said.get(key, "")


def model_rows(models: Sequence[str], prices: Mapping[str, str], here: bool) -> list[Choice]:
    """The models of one provider. prices: in few words, by model. here: it is on this machine."""

    def detail(model: str) -> str:
        if here:
            return "runs at ollama.com, not here" if is_sent_on(model) else "free"
        return f"{prices[model]} per million tokens" if prices.get(model) else "price unknown"

    return [Choice(model, model, detail(model)) for model in models]


def could_lines(found: Findings, call: Invocation) -> list[Item]:
    """What could be done by commands, where nobody can be asked."""
    out: list[str] = []
    for reached in found.servers:
        model = next(iter(reached.models), "")
        if "wire" not in reached.settings and reached.settings:
            variable = "EI_OLLAMA_BASE_URL" if reached.server.kind == "ollama" else "EI_LLM_BASE_URL"
            out.append(f"set {variable}={reached.server.url}  to know {reached.server.label}")
        elif reached.settings.get("wire") == "openai":
            add = f"provider add {reached.provider} --url {reached.server.url}"
            out.append(f"{call.typed(add)}  to know {reached.server.label}")
        if model and reached.settings.get("wire") != "ollama":
            out.append(f"{call.typed(f'settings default_model {reached.provider}:{model}')}  uses it, free")
    if not found.private:
        for keyed in found.keys:
            model = next(iter(keyed.models), "")
            if keyed.works and model:
                out.append(f"{call.typed(f'models {keyed.provider}')}  what that key could use, at its price")
        if not any(keyed.works for keyed in found.keys):
            out.append(f"{call.typed('provider key openai')}  keeps a key; it is read from standard input")
    if found.ollama:
        out.append(f"{call.typed('ollama pull qwen3:4b')}  installs a model")
    if not found.servers:
        out.append("Start LM Studio (its server) or Ollama, then again.")
    return [Line("What could be done", "title"), *(Line(f"  {line}") for line in out)]


def findings_data(found: Findings) -> dict[str, object]:
    """The same, JSON-ready."""
    return {
        "servers": [
            {
                "kind": reached.server.kind,
                "url": reached.server.url,
                "provider": reached.provider,
                "known": not reached.settings,
                "models": list(reached.models),
                "needs_key": reached.server.needs_key,
                "problem": reached.server.problem or None,
            }
            for reached in found.servers
        ],
        "silent": [{"label": label, "url": url} for label, url in found.silent],
        "keys": [
            {
                "provider": keyed.provider,
                "source": keyed.source or None,
                "works": None if keyed.looked is None else keyed.works,
                "told": key_told(keyed),
                "models": len(keyed.models),
            }
            for keyed in found.keys
        ],
        "private": bool(found.private),
    }


def _server_row(number: int, reached: Reached) -> Choice:
    server = reached.server
    problem = server.problem
    if not problem and not server.models:
        if server.needs_key:
            problem = "it wants a key"
        elif server.kind != "ollama" or reached.settings:
            problem = "it has no chat model"
    detail = plural(len(server.models), "model") if server.models else "no model yet: Enter installs one"
    where = urlsplit(server.url).netloc
    return Choice(f"{SERVER}{number}", f"{server.label} at {where}", detail, HERE, problem, words=reached.provider)


def _key_row(keyed: Keyed) -> Choice:
    detail = plural(len(keyed.models), "model") if keyed.looked is not None else "test its key and choose"
    bad = "" if keyed.works else sentence(keyed.looked) if keyed.looked is not None else ""
    return Choice(f"{KEY}{keyed.provider}", keyed.label, detail, YOURS, bad, words=f"{keyed.provider} {keyed.source}")
