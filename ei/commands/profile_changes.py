"""What /profile changes in settings.jsonc: new profiles, the default one, and the file by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ei import jsonc
from ei.commands.base import Choice, Invocation, Item, Line, Reply
from ei.commands.parse import options, reference_of
from ei.commands.words import plural
from ei.engine.settings_file import change_settings, written_out
from ei.errors import ConfigError, EiError, NeedsAnswerError, UsageError
from ei.models.expand import find_profile
from ei.models.interactions import REASONING
from ei.models.profile_import import write_profile
from ei.models.profiles import check_id, folded
from ei.models.reference import parse, written_form
from ei.settings.keys import key_problem

if TYPE_CHECKING:
    from ei.engine.endpoints import Providing
    from ei.engine.session import Session

OWN_ADDRESS = "another address"
OWN_ADDRESSES: Mapping[str, str] = {"+openai": "oai_compatible", "+anthropic": "anthropic"}
OF_OPTIONS: Mapping[str, str] = {
    "--model": "model",
    "--provider-type": "provider_type",
    "--base-url": "base_url",
    "--key": "api_key_ref",
    "--temperature": "temperature",
}


async def new(call: Invocation, words: Sequence[str]) -> Reply:
    """Makes a profile: from options, or asked step by step where no model is given."""
    usage = f"For example: {call.typed('profile new work --model openai:gpt-5.1 --temperature 0.4')}"
    given = options(words, (), tuple(OF_OPTIONS), usage)
    if len(given.rest) > 1:
        raise UsageError("One profile at a time.", usage)
    id = given.rest[0] if given.rest else ""
    row: dict[str, object] = {OF_OPTIONS[option]: value for option, value in given.values.items()}
    if "temperature" in row:
        row["temperature"] = _number(str(row["temperature"]))
    if row.get("model"):
        row["model"] = reference_of(str(row["model"]))
        if not id:
            raise UsageError("What is the profile called?", usage)
        problem = _id_problem(call.session, id) or _row_problem(call.session, id, row)
        if problem:
            raise UsageError(problem, usage)
    elif not call.ui.interactive:
        raise NeedsAnswerError("Nobody can be asked here what the profile is to be.", usage)
    else:
        id, row = await _asked(call, id, row)
    await write(call.session, lambda text: write_profile(text, id, row, file_of(call.session)))
    use = call.typed(f"profile {id}")
    return Reply.line(f"Profile {id} is there. {use} uses it for {call.session.persona.name}.", "good", {"id": id})


async def edit(call: Invocation, words: Sequence[str]) -> Reply:
    """Opens the settings in the editor, at a profile, and tells what is wrong with them afterwards."""
    if len(words) > 1:
        raise UsageError("One profile at a time.", f"For example: {call.typed('profile edit ID')}")
    session = call.session
    config = session.services.config
    path = config.paths.settings
    if not path.exists():
        with jsonc.file_errors(path.parent, "made"):
            path.parent.mkdir(parents=True, exist_ok=True)
        jsonc.update(path, lambda old: old or written_out(config))
    await call.ui.edit_file(path, _line_of(path, words[0].removeprefix("profile:") if words else ""))
    try:
        warnings = config.current().warnings
        profiles = session.services.chooser.profiles()
    except EiError as exc:
        return Reply.line(f"Saved, but it cannot be used like this: {exc}", "error")
    session.settings_changed()
    lines = [Line(warning, "warn") for warning in warnings]
    for id in profiles:
        try:
            await session.in_thread(session.services.chooser.named, f"profile:{id}", session.persona, REASONING)
        except EiError as exc:
            lines.append(Line(f"{id}: {exc}", "warn"))
    return Reply((*lines, Line(f"There {_are(len(profiles))} now.", "good")), {"profiles": list(profiles)})


async def default(call: Invocation, words: Sequence[str]) -> Reply:
    """Says which profile personas without a model use."""
    usage = f"For example: {call.typed('profile default ID')}"
    given = options(words, ("--clear",), (), usage)
    if given.has("--clear") == bool(given.rest) or len(given.rest) > 1:
        raise UsageError("Which profile?", usage)
    session = call.session
    path = ("llm_config", "default_profile_id")
    if given.has("--clear"):
        await write(session, lambda text: jsonc.remove_value(text, path, file_of(session)))
        return Reply.line("No profile is the default any more.", "good", {"default": None})
    id = find_profile(given.rest[0].removeprefix("profile:"), session.services.chooser.profiles()).id
    await write(session, lambda text: jsonc.set_value(text, path, id, file_of(session)))
    items: list[Item] = [Line(f"Personas without a model of their own use profile:{id}.", "good")]
    config = session.services.config.current()
    for name in ("EI_MODEL_REASONING", "EI_LLM_MODEL"):
        if variable := config.variable(name):
            items.append(Line(f"{name} ({variable.source}) still wins with {variable.value}.", "warn"))
    if written := config.settings.get("default_model"):
        items.append(Line(f"default_model in settings.jsonc still wins with {written_form(written)}.", "warn"))
    return Reply(tuple(items), {"default": id})


# Asking step by step.


async def _asked(call: Invocation, id: str, row: dict[str, object]) -> tuple[str, dict[str, object]]:
    """(id, what the person answered). Raises CancelledError when the person leaves."""
    session, chooser = call.session, call.session.services.chooser
    if not id or _id_problem(session, id):
        id = await _until_right(call, "What is it called (a short word)?", id, lambda text: _id_problem(session, text))
    key = await call.ui.choose("Where does its model run?", _kinds(session), "openai")
    if key is None:
        raise UsageError("No profile was made.", f"{call.typed('profile new')} begins again.")
    kind = OWN_ADDRESSES.get(key)
    named = kind is None
    endpoint = chooser.endpoints().get(key)
    example = (endpoint.example if endpoint else "") or "my-model"
    model = await _until_right(call, f"Which model, for example {example}?", "", _needed)
    row["model"] = f"{key}:{model}" if named else model
    if not named:
        row["provider_type"] = kind
        ask = "At which address, for example https://llm.example.org/v1?"
        row["base_url"] = await _until_right(call, ask, "", lambda text: _address_problem(session, id, row, text))
    elif key == "azure":
        ask = "At which address, for example https://RESOURCE.openai.azure.com (empty: that of EI_AZURE_BASE_URL)?"
        url = await _until_right(call, ask, "", lambda text: _address_problem(session, id, row, text) if text else "")
        row |= {"model": f"azure/{model}", **({"base_url": url} if url else {})}
    own = f"the provider's own, {endpoint.prefix}_API_KEY" if endpoint and not row.get("base_url") else "none"
    if endpoint is None or endpoint.needs_key:
        ask = f"Which environment variable holds its key (its name, never the key; empty: {own})?"
        if variable := await _until_right(call, ask, "", key_problem_of):
            row["api_key_ref"] = variable
        elif row.get("provider_type") == "oai_compatible":
            row["provider_type"] = "local_openai"  # the one that is asked without a key
    answer = await _until_right(call, "How freely does it answer, 0 to 2?", "0.7", _temperature_problem)
    row["temperature"] = _number(answer)
    if problem := _row_problem(session, id, row):
        raise UsageError(problem, f"{call.typed('profile new')} begins again.")
    return id, row


def _kinds(session: Session) -> list[Choice]:
    """The providers that are known, then what is at an address of its own."""
    known = [
        Choice(name, endpoint.label, name, "providers")
        for name, endpoint in session.services.chooser.endpoints().items()
        if endpoint.wire != "builtin" and not endpoint.profile
    ]
    return [
        *known,
        Choice("+openai", "one that speaks OpenAI's API", "oai_compatible", OWN_ADDRESS),
        Choice("+anthropic", "one that speaks Anthropic's API", "anthropic", OWN_ADDRESS),
    ]


async def _until_right(call: Invocation, prompt: str, first: str, problem_of: Callable[[str], str]) -> str:
    """Asks until nothing is wrong with the answer; what was wrong is shown, the answer itself is not."""
    while True:
        answer = (await call.ui.ask(prompt, first)).strip()
        problem = problem_of(answer)
        if not problem:
            return answer
        call.ui.show(Reply.line(problem, "warn"))


def key_problem_of(text: str) -> str:
    """What is wrong with the name of a key's variable as one sentence, or ""."""
    problem = key_problem(text)
    return f"It {problem}." if problem else ""


def _needed(text: str) -> str:
    return "" if text else "It needs one."


def _temperature_problem(text: str) -> str:
    try:
        return "" if 0 <= _number(text) <= 2 else "It is a number from 0 to 2."
    except UsageError as exc:
        return exc.sentence


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError("The temperature is a number from 0 to 2.", "For example: 0.7")
    return int(value) if value == int(value) else value


def _id_problem(session: Session, id: str) -> str:
    if problem := check_id(id):
        return f"It {problem}."
    taken = next((other for other in session.services.chooser.profiles() if folded(other) == folded(id)), None)
    return f"There is a profile {taken} already." if taken else ""


def _address_problem(session: Session, id: str, row: Mapping[str, object], text: str) -> str:
    return _row_problem(session, id, {**row, "base_url": text}) if text else "It needs one."


def _row_problem(session: Session, id: str, row: Mapping[str, object]) -> str:
    """What would be wrong with a profile, as one sentence, or ""."""
    from ei.settings import check

    settings = {"llm_profiles": [{"id": id, **row}]}
    here = session.services.config.current().settings
    try:
        check(settings, "The profile")
        found = session.services.chooser.provided_by({"providers": here.get("providers"), **settings})
        parse(found.profiles[id].model, found.names)
    except (ConfigError, UsageError) as exc:
        return str(exc) if isinstance(exc, UsageError) else exc.sentence
    return ""


# Writing.


def file_of(session: Session) -> str:
    """The path of settings.jsonc, for errors."""
    return str(session.services.config.paths.settings)


async def write(session: Session, edit: Callable[[str], str]) -> None:
    """Changes settings.jsonc unless what came out could not be used. Raises ConfigError, FileSyntaxError."""

    def checked(text: str) -> str:
        changed = edit(text)
        providing(session, changed)
        return changed

    await session.in_thread(change_settings, session.services.config, checked)
    session.settings_changed()


def providing(session: Session, text: str) -> Providing:
    """What settings of that text would provide. Raises ConfigError, FileSyntaxError."""
    settings = jsonc.loads(text, file_of(session))
    return session.services.chooser.provided_by(settings if isinstance(settings, dict) else {})


def _line_of(path: Path, id: str) -> int:
    """The line of a profile in the settings, of all of them for "", 0 where it cannot be told."""
    from ei.jsonc.spans import child, parse

    try:
        text = jsonc.read(path).text
        root = parse(text, str(path)).root
    except (OSError, EiError):
        return 0
    profiles = child(root, "llm_profiles") if root is not None else None
    if profiles is None:
        return 0
    found = child(profiles, id) if id else None
    for row in profiles.members if profiles.kind == "[" else ():
        named = child(row, "id")
        if id and named is not None and text[named.start : named.end].strip("\"'").lower() == id.lower():
            found = row
    at = found or profiles
    return text.count("\n", 0, at.begin) + 1


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {plural(count, 'profile')}"
