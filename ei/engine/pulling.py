"""Installing models of Ollama beside the conversation: several at once, stopped and gone on with, the disk watched."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from ei.engine.pull_meter import PullMeter
from ei.engine.pulled import OLLAMA, Pull, State, full_name, size_text
from ei.errors import CutOffError, EiError, ProviderError, StorageError, UnknownModelError
from ei.models.families import families
from ei.models.reference import nearest

if TYPE_CHECKING:
    from ei.engine.services import Services
    from ei.providers.ollama_api import OllamaApi

AT_ONCE = 3
FRAME_SECONDS = 0.1
"""How often progress is told."""
DISK_SECONDS = 1.0
KEPT_FREE = 10
"""A pull asks before less than one part in so many of the disk stays free."""

Ask = Callable[[str, Sequence[str]], Awaitable[bool]]
Usage = Callable[[Path], tuple[int, int]]
"""A folder -> (bytes of its disk, bytes that are free on it). Raises OSError."""


class Pulls:
    """What is being installed in this session.

    changed: told of every step, in the event loop's thread. usage: how full a folder's disk is.
    """

    def __init__(self, services: Services, changed: Callable[[Pull], None], usage: Usage | None = None) -> None:
        self._services = services
        self._changed = changed
        self._usage = usage or _usage
        self._pulls: dict[str, Pull] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(AT_ONCE)

    @property
    def running(self) -> tuple[Pull, ...]:
        """Those under way, in the order in which they were begun."""
        return tuple(pull for pull in self._pulls.values() if pull.running)

    def find(self, name: str) -> Pull | None:
        """The newest pull of that name."""
        return self._pulls.get(full_name(name))

    def start(self, name: str, ask: Ask, *, update: bool = False) -> Pull:
        """Begins to install a model; it goes on beside everything else. Raises UsageError for what is no name.

        ask: whether to go on where the disk would become full. One that is under way already is left to go on.
        """
        name = full_name(name)
        held = self._pulls.get(name)
        if held is not None and held.running:
            return held
        self._pulls.pop(name, None)
        pull = self._pulls[name] = Pull(name, remote_host(self._services), update=update)
        task = self._tasks[name] = asyncio.get_running_loop().create_task(self._run(name, ask))
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        self._changed(pull)
        return pull

    async def finished(self, name: str) -> Pull:
        """Waits for the end of a pull. A caller who is cancelled stops it."""
        name = full_name(name)
        task = self._tasks[name]
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await self.stop(name)
            raise
        return self._pulls[name]

    async def stop(self, name: str) -> bool:
        """Stops a pull; what came is kept by Ollama. False when none was under way."""
        name = full_name(name)
        pull, task = self._pulls.get(name), self._tasks.get(name)
        if pull is None or task is None or not pull.running:
            return False
        task.cancel()
        await asyncio.wait([task])
        if self._pulls[name].running:  # it was cancelled before it began
            self._set(name, state="stopped")
        return True

    async def close(self) -> None:
        """Stops all of them."""
        await asyncio.gather(*(self.stop(pull.name) for pull in self.running))

    # Inside ---------------------------------------------------------------------------------------------------

    def _set(self, name: str, **changes: object) -> Pull:
        pull = self._pulls[name] = replace(self._pulls[name], **changes)  # type: ignore[arg-type]
        self._changed(pull)
        return pull

    async def _run(self, name: str, ask: Ask) -> None:
        began = monotonic()

        def end(state: State, **more: object) -> None:
            self._set(name, state=state, seconds=monotonic() - began, **more)

        try:
            after = await self._install(name, ask)
        except asyncio.CancelledError:
            end("stopped")
            raise
        except EiError as exc:
            end("failed", error=plainly(exc, self._pulls[name]))
        except Exception as exc:
            self._services.log("".join(traceback.format_exception(exc)))
            end("failed", error=ProviderError(f"Pulling {name} failed in ei itself ({type(exc).__name__})."))
        else:
            end("installed" if after is not None else "stopped", after=after or "")

    async def _install(self, name: str, ask: Ask) -> str | None:
        """The digest of what is there afterwards; None where the person would not go on."""
        async with await asyncio.to_thread(open_ollama, self._services) as ollama:
            disk = _Disk(await self._folder(ollama), self._usage)
            self._set(name, before=await _digest(ollama, name))
            while True:
                async with self._few:
                    self._set(name, state="begun")
                    question = await self._stream(name, ollama, disk)
                if question is None:
                    break
                self._set(name, state="paused")
                if not await ask(*question):
                    return None
            after = await _digest(ollama, name)
        await self._sync()
        return after

    async def _stream(self, name: str, ollama: OllamaApi, disk: _Disk) -> tuple[str, Sequence[str]] | None:
        """Reads what Ollama tells until it is there, or until there is something to ask."""
        meter, told, looked, known = PullMeter(), 0.0, 0.0, 0
        async with aclosing(ollama.pull(self._pulls[name].shown)) as lines:
            async for line in lines:
                now = monotonic()
                progress = meter.take(now, line.status, line.digest, line.total, line.completed)
                pull = self._pulls[name] = replace(self._pulls[name], state="pulling", progress=progress)
                if now - told >= FRAME_SECONDS:
                    told = now
                    self._changed(pull)
                due = progress.total > known or now - looked >= DISK_SECONDS
                if disk.folder is not None and progress.missing and due:
                    looked, known = now, progress.total
                    missing = sum(each.progress.missing for each in self.running if each.state == "pulling")
                    question = await asyncio.to_thread(disk.question, pull, missing)
                    if question is not None:
                        return question
        return None

    async def _folder(self, ollama: OllamaApi) -> Path | None:
        """Where this machine's Ollama keeps its models; None where it runs elsewhere."""
        if remote_host(self._services):
            return None
        told = ""
        installed = await ollama.tags()
        if installed:
            with contextlib.suppress(ProviderError):
                data = await ollama.ask("POST", "/api/show", {"model": installed[0].name})
                told = str(data.get("modelfile", "")) if isinstance(data, dict) else ""
        named = self._services.config.last_good().variable("OLLAMA_MODELS")
        return await asyncio.to_thread(models_folder, told, named.value if named else "")

    async def _sync(self) -> None:
        """Makes the registry know it, so that it can be chosen at once."""
        from ei.engine.syncing import sync

        try:
            await sync(self._services, [OLLAMA])
        except StorageError as exc:
            self._services.log(f"not synced after a pull: {exc}")


async def _digest(ollama: OllamaApi, name: str) -> str:
    """Of what is installed under that name now, "" where nothing is."""
    from ei.providers.ollama_api import same_model

    return next((model.digest for model in await ollama.tags() if same_model(model.name, name)), "")


class _Disk:
    """Watches one disk for one pull. folder: on it; None for a disk that cannot be seen from here."""

    def __init__(self, folder: Path | None, usage: Usage) -> None:
        self.folder = folder
        self._usage = usage
        self._agreed = 0

    def question(self, pull: Pull, missing: int) -> tuple[str, Sequence[str]] | None:
        """What to ask before `missing` more bytes come, None where there is room or the person agreed already."""
        assert self.folder is not None
        try:
            total, free = self._usage(self.folder)
        except OSError:
            return None
        left = free - missing
        tight = 2 if left < 0 else 1 if left < total // KEPT_FREE else 0
        if tight <= self._agreed:
            return None
        self._agreed = tight
        what = f"{pull.shown} needs {size_text(pull.progress.missing)} more"
        others = missing - pull.progress.missing
        if others > 0:
            what += f", what else is being pulled {size_text(others)}"
        room = f"{size_text(free)} of {size_text(total)} are free on the disk of {self.folder}"
        if tight == 2:
            return f"{pull.shown} does not fit on the disk. Pull it all the same?", (f"{what}; {room}.",)
        return (
            f"{pull.shown} would leave less than a tenth of the disk free. Go on?",
            (f"{what}; {room}. {size_text(left)} would be left.",),
        )


def remote_host(services: Services) -> str:
    """Who runs Ollama, where that is not this machine, "" where it is. Raises ConfigError."""
    from ei.providers.addresses import BadAddressError, is_loopback, split

    url = services.chooser.connection(OLLAMA).base_url
    try:
        return "" if is_loopback(url) else split(url)[1]
    except BadAddressError:
        return ""


def open_ollama(services: Services) -> OllamaApi:
    """Ollama's own interface, through the gate. Imports an HTTP client: call it from a thread. Raises EiError."""
    from ei.providers.ollama_api import OllamaApi

    services.gate.open(OLLAMA)
    return OllamaApi(services.chooser.connection(OLLAMA))


def models_folder(modelfile: str, named: str, home: Path | None = None) -> Path | None:
    """The folder of Ollama's models on this machine, or the nearest one above it that is there.

    modelfile: of an installed model: its FROM line names a file in it. named: what OLLAMA_MODELS says. Without both
    it is where the installers put it: https://docs.ollama.com/faq#where-are-models-stored
    """
    home = home or Path.home()
    for line in modelfile.splitlines():
        source = Path(line.removeprefix("FROM ").strip())
        if line.startswith("FROM ") and source.is_absolute() and source.parent.is_dir():
            return source.parent
    service = Path("/usr/share/ollama/.ollama/models")
    folder = Path(named).expanduser() if named else service if service.is_dir() else home / ".ollama" / "models"
    return next((each for each in (folder, *folder.parents) if each.is_dir()), None)


def plainly(error: EiError, pull: Pull) -> EiError:
    """Why a pull failed, with the names that may be meant, or how far it had come."""
    percent = pull.progress.percent
    if isinstance(error, UnknownModelError):
        known = (name for family in families() for name in (family.name, *family.names))
        near = nearest(pull.shown, [name for name in known if name != pull.shown])
        hint = f"Did you mean {' or '.join(near)}?" if near else error.hint
        return UnknownModelError(error.sentence, hint, provider=OLLAMA, model=pull.shown, near=tuple(near))
    if isinstance(error, CutOffError) and percent is not None:
        return CutOffError(f"The download of {pull.shown} broke off at {percent} %.", error.hint, provider=OLLAMA)
    return error


def _usage(folder: Path) -> tuple[int, int]:
    found = shutil.disk_usage(folder)
    return found.total, found.free
