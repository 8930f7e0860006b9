"""The steps of /setup: each can be left, and nothing is written before its last answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ei.commands.base import Choice, Invocation, Item, Line, Offer, Reply
from ei.commands.ollama_pulls import pull
from ei.commands.profile_changes import file_of, write
from ei.commands.provider_keys import LABELS, keep_key, places, still_wins, where
from ei.commands.provider_tests import sentence, verdict
from ei.commands.setup_rows import (
    ADD,
    AGAIN,
    INSTALL,
    KEY,
    SERVER,
    could_lines,
    findings_data,
    found_lines,
    menu_facts,
    menu_rows,
    model_rows,
    now_line,
)
from ei.engine.pulled import OLLAMA, full_name, size_text
from ei.engine.setup import edited, find, likely_first, may_have_keys, prices, try_key, with_key
from ei.errors import CancelledError, EiError, NeedsAnswerError, UsageError
from ei.models.families import families, size_of
from ei.providers.credentials import first_set, key_variable, named
from ei.providers.keys import clean_key, is_key_text
from ei.providers.servers import USUAL

if TYPE_CHECKING:
    from ei.engine.setup import Findings, Keyed, Reached
    from ei.models.resolve import Resolution

ALL, ONE = "everybody", "one"
ANOTHER = "another"
KEEP, RETYPE = "keep", "again"


class Steps:
    """One run of it. usual: the addresses to look at beside the configured ones."""

    def __init__(self, call: Invocation, usual: Sequence[str] = USUAL) -> None:
        self._call = call
        self._ui = call.ui
        self._session = call.session
        self._services = call.session.services
        self._usual = usual
        self._kept: list[str] = []
        self._found: Findings | None = None

    async def look(self) -> Reply:
        """What is here, and what could be done."""
        found = await self._look()
        lines = (*found_lines(found), await self._now(), *could_lines(found, self._call))
        return Reply(lines, findings_data(found))

    async def run(self) -> Reply:
        """From what is here to a default model. Raises NeedsAnswerError where nobody can be asked."""
        if not self._ui.interactive:
            self._ui.show(await self.look())
            raise NeedsAnswerError(
                "Nobody can be asked here what is to answer.", "Use a terminal, or one of those commands."
            )
        try:
            return await self._run()
        except CancelledError:
            if self._call.shell:
                raise CancelledError(self._left()) from None
            return Reply.line(self._left(), "dim")

    async def _run(self) -> Reply:
        found = await self._told()
        while True:
            rows = menu_rows(found)
            now, _ = await self._resolution()
            title = f"What is to answer? Now {now.model}" if now is not None else "What is to answer?"
            chosen = await self._ui.pick(Offer(title, rows, facts=menu_facts(found, rows)))
            if chosen is None:
                return Reply.line(self._left(), "dim", self._data(None))
            row, done = chosen.key, None
            try:
                if row == AGAIN:
                    found = await self._told()
                elif row == ADD:
                    keyed = await self._add_key(found)
                    if keyed is not None:
                        others = tuple(each for each in found.keys if each.provider != keyed.provider)
                        found = replace(found, keys=(*others, keyed))
                        done = await self._use_key(keyed)
                elif row == INSTALL:
                    done = await self._install(found)
                elif row.startswith(SERVER):
                    done = await self._use_server(found, found.servers[int(row.removeprefix(SERVER))])
                elif keyed := next((each for each in found.keys if row == f"{KEY}{each.provider}"), None):
                    done = await self._use_key(keyed)
            except CancelledError:
                raise
            except EiError as error:
                self._say(str(error), "error")
            if done is not None:
                return done

    # What is here.

    async def _look(self) -> Findings:
        with self._ui.progress("Looking at") as progress:
            found = await find(self._services, await self._session.privacy(), self._usual, progress.update)
        self._found = found
        for reached in found.servers:
            if not reached.settings:
                self._session.known_models[reached.provider] = reached.models
        return found

    async def _told(self) -> Findings:
        found = await self._look()
        self._ui.show(Reply((*found_lines(found), await self._now())))
        return found

    async def _now(self) -> Line:
        now, problem = await self._resolution()
        return now_line(self._session.persona.name, now, problem)

    async def _resolution(self) -> tuple[Resolution | None, str]:
        try:
            return await self._session.resolution(), ""
        except EiError as error:
            return None, str(error)

    # Choosing a model.

    async def _use_server(self, found: Findings, reached: Reached) -> Reply | None:
        server = reached.server
        if not server.models:
            if server.kind == "ollama" and found.ollama is reached:
                return await self._install(found)
            wants = f"It wants a key: {self._call.typed(f'provider key {reached.provider}')}"
            self._say(
                server.problem or (wants if server.needs_key else "It has no model that chats: load one there."), "warn"
            )
            return None
        names = reached.models
        if not reached.settings:
            names = likely_first(self._services, reached.provider, names)
        model = await self._model(server.label, names, {}, True)
        return None if model is None else await self._set(reached.provider, model, reached.settings)

    async def _use_key(self, keyed: Keyed) -> Reply | None:
        if keyed.looked is None:
            from ei.engine.provider_testing import look_at

            with self._ui.progress(f"Testing {keyed.provider}") as progress:
                keyed = replace(keyed, looked=await look_at(self._services, keyed.provider, progress.update))
        assert keyed.looked is not None
        if not keyed.works or not keyed.models:
            self._ui.show(Reply((verdict(keyed.looked),)))
            return None
        names = likely_first(self._services, keyed.provider, keyed.models)
        cost = await asyncio.to_thread(prices, self._services, keyed.provider, names)
        model = await self._model(keyed.label, names, cost, False)
        return None if model is None else await self._set(keyed.provider, model, {}, cost[model])

    async def _model(self, label: str, names: Sequence[str], cost: Mapping[str, str], here: bool) -> str | None:
        if len(names) == 1 and here:
            return names[0]
        return await self._ui.choose(f"Which model of {label}?", model_rows(names, cost, here))

    async def _who(self, model: str) -> str | None:
        persona = self._session.persona
        rows = [
            Choice(ALL, "Everybody", "without a model of their own: default_model"),
            Choice(ONE, f"{persona.name} alone", "in its system.jsonc"),
        ]
        return await self._ui.choose(f"Who thinks with {model}?", rows)

    async def _set(
        self, provider: str, model: str, settings: Mapping[str, object], cost: str = "", who: str | None = None
    ) -> Reply | None:
        """Writes it; None where the person left the question for whom it is."""
        reference = f"{provider}:{model}"
        who = who or await self._who(reference)
        if who is None:
            return None
        session = self._session
        default = reference if who == ALL else ""
        if settings or default:
            file = file_of(session)
            await write(session, lambda text: edited(text, provider, settings, default, file))
        if who == ONE:
            await session.in_thread(self._services.library.set_value, session.persona.name, ("model",), reference)
        await session.refresh()
        await self._sync(provider)
        name = session.persona.name
        user = "Everybody without a model of their own" if who == ALL else name
        lines: list[Item] = [Line(f"{user} thinks with {reference} from now on.", "good")]
        if settings:
            lines.append(Line(f"{provider} is {settings['base_url']} now, in settings.jsonc.", "dim"))
        lines.append(await self._price(provider, reference, cost))
        lines += await self._still(reference)
        if not self._call.shell:
            lines.append(Line(f"Just type: {name} answers. {self._call.typed('setup')} begins again.", "dim"))
        # After a command of the shell the conversation has yet to be opened.
        return Reply(tuple(lines), {**self._data(reference, who), "talk": self._call.shell})

    async def _price(self, provider: str, reference: str, cost: str) -> Line:
        from ei.models.choosing import is_sent_on

        if is_sent_on(reference):
            return Line("It runs at ollama.com: what you say leaves this machine.", "warn")
        if self._services.chooser.stays_here(provider):
            return Line("It runs on this machine and costs nothing.", "dim")
        said = f"{cost} per million tokens" if cost else "nobody says what it costs"
        return Line(f"It costs money: {said}. {self._call.typed('budget')} sets a limit.", "dim")

    async def _still(self, reference: str) -> list[Item]:
        """A line where another model answers all the same."""
        name = self._session.persona.name
        now, problem = await self._resolution()
        if now is None:
            return [Line(f"{name} cannot answer yet: {problem}", "warn")]
        if str(now.model) == reference:
            return []
        own = self._session.persona.model is not None
        ends = f" {self._call.typed('model --clear')} ends that." if own else ""
        return [Line(f"{name} still answers with {now.model}: it comes from {now.where}.{ends}", "warn")]

    async def _sync(self, provider: str) -> None:
        """Makes the registry know its models, so that lists and tiers have them at once."""
        from ei.engine.syncing import sync

        with self._ui.progress(f"Asking {provider} for its models"):
            try:
                await sync(self._services, [provider])
            except EiError as error:
                self._services.log(f"not synced after setup: {error}")

    # A key.

    async def _add_key(self, found: Findings) -> Keyed | None:
        """Asks for a key, tests it, and keeps it where the person says; None where that was left."""
        if found.private:
            self._say(f"{found.private.sentence}: no provider on the network is asked.", "warn")
            return None
        name = await self._whose()
        if name is None:
            return None
        tested = await self._typed_key(name)
        if tested is None:
            return None
        key, keyed = tested
        while True:
            kind = await self._place(name)
            if kind is None:
                return None
            try:
                reference = await keep_key(self._session, name, kind, key)
                break
            except CancelledError:
                raise
            except EiError as error:
                self._say(str(error), "error")
        self._kept.append(f"the key of {name}")
        endpoint = self._services.chooser.endpoints()[name]
        head = Line(f"The key of {name} is in {where(self._session, reference)}.", "good")
        self._ui.show(Reply((head, *still_wins(self._session, endpoint))))
        return with_key(self._services, name, keyed.looked)

    async def _whose(self) -> str | None:
        lookup = self._services.config.current().variable
        rows = []
        for endpoint, problem in may_have_keys(self._services):
            variable = first_set(lookup, (key_variable(endpoint), *endpoint.key_variables))
            there = f"{named(variable)} is set" if variable is not None else endpoint.name
            rows.append(Choice(endpoint.name, endpoint.label, there, "", problem))
        while True:
            name = await self._ui.choose("Whose key?", rows)
            problem = next((row.dimmed for row in rows if row.key == name), "")
            if not problem:
                return name
            self._say(f"{problem} First: {self._call.typed(f'provider {name}')}", "warn")

    async def _typed_key(self, name: str) -> tuple[str, Keyed] | None:
        while True:
            try:
                key = clean_key(await self._ui.secret(f"API key of {name}:"))
            except CancelledError:
                if self._call.shell:
                    raise
                return None
            if not key:
                return None
            if not is_key_text(key):
                self._say("No key has a space or a letter such as é in it.", "warn")
                continue
            with self._ui.progress(f"Testing {name}") as progress:
                looked = await try_key(self._services, name, key, progress.update)
            self._ui.show(Reply((verdict(looked),)))
            keyed = with_key(self._services, name, looked)
            if looked.works:
                return key, keyed
            rows = (Choice(RETYPE, "Type it again"), Choice(KEEP, "Keep it all the same"))
            facts = {row.key: sentence(looked) for row in rows}
            answer = await self._ui.pick(Offer(f"The key of {name} did not pass", rows, facts=facts.__getitem__))
            if answer is None:
                return None
            if answer.key == KEEP:
                return key, keyed

    async def _place(self, name: str) -> str | None:
        """Where to keep it; the plain file is offered last and never first."""
        rows = sorted(await places(self._session), key=lambda row: (row.key == "plain", bool(row.dimmed)))
        while True:
            kind = await self._ui.choose(f"Where is the key of {name} kept?", rows)
            problem = next((row.dimmed for row in rows if row.key == kind), "")
            if not problem:
                return kind
            self._say(f"Not in the {LABELS[str(kind)]}: {problem}", "warn")

    # A model of Ollama.

    async def _install(self, found: Findings) -> Reply | None:
        """Installs a model, then makes it the one to think with; it is asked first for whom."""
        if found.ollama is None:
            self._say("Ollama does not answer: get it at ollama.com, start it, then look again.", "warn")
            return None
        name = await self._which(found.ollama.models)
        if name is None:
            return None
        shown = name.removesuffix(":latest")
        who = await self._who(f"{OLLAMA}:{shown}")
        size = size_of(shown)
        about = f" (about {size_text(size)})" if size else ""
        if who is None or not await self._ui.confirm(f"Install {shown}{about}?"):
            return None
        self._ui.show(await pull(self._call, [name]))
        pulled = await self._session.pulls.finished(name)
        if pulled.state != "installed":
            return None
        self._kept.append(shown)
        return await self._set(OLLAMA, shown, {}, who=who)

    async def _which(self, installed: Sequence[str]) -> str | None:
        there = {each.removesuffix(":latest") for each in installed}
        rows = [
            Choice(name, name, " · ".join(part for part in (_size(name), family.good_at) if part), words=family.maker)
            for family in families()
            if "embedding" not in family.can
            for name in family.names
            if name not in there
        ]
        rows.insert(0, Choice(ANOTHER, "Another one", "its name is typed"))
        while True:
            name = await self._ui.choose("Which model is to be installed?", rows)
            if name != ANOTHER:
                return name
            try:
                return full_name(await self._ui.ask("Its name, such as qwen3:8b or hf.co/OWNER/MODEL:"))
            except UsageError as error:
                self._say(str(error), "warn")
            except CancelledError:
                if self._call.shell:
                    raise

    # Saying.

    def _say(self, text: str, style: str) -> None:
        self._ui.show(Reply.line(text, "error" if style == "error" else "warn"))

    def _left(self) -> str:
        """What stays when it is left."""
        again = f"{self._call.typed('setup')} begins again."
        if not self._kept:
            return f"Nothing was changed. {again}"
        return f"What was done stays: {', '.join(self._kept)}. {again}"

    def _data(self, reference: str | None, who: str = "") -> dict[str, object]:
        found = findings_data(self._found) if self._found is not None else {}
        return {**found, "model": reference, "for": who or None, "kept": list(self._kept)}


def _size(name: str) -> str:
    size = size_of(name)
    return size_text(size) if size else ""
