"""Wiring: reads the environment, builds the rooms and hands them down."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import ei
from ei.config import ConfigFile
from ei.errors import ConfigError, EiError
from ei.platform import write_file

if TYPE_CHECKING:
    from ei.engine.services import Services
    from ei.engine.session import Session
    from ei.providers.base import Provider
    from ei.providers.redactor import Redactor

FIRST_PERSONA = "ei"
LOG_BYTES = 1_000_000


def environment() -> Mapping[str, str]:
    return os.environ


def configuration(*, mending: bool = False) -> ConfigFile:
    """The configuration of this run. Raises ConfigError where a file cannot be read, unless it is to be mended now."""
    config = ConfigFile(environment(), Path.cwd())
    if not mending:
        config.current()
    return config


def persona_to_greet(config: ConfigFile) -> str:
    """The name of the persona that the person left, as far as it takes no time to know; "" where it does."""
    from ei.storage.database import Database
    from ei.storage.state import ACTIVE_PERSONA, StateStore

    paths = config.paths
    if not paths.database.exists():
        return FIRST_PERSONA
    database = Database(paths.database)
    try:
        name = StateStore(database).get(ACTIVE_PERSONA, FIRST_PERSONA)
    finally:
        database.close()
    return name if isinstance(name, str) and (paths.personas / name / "system.jsonc").exists() else ""


def build(config: ConfigFile) -> Services:
    """The rooms for one run. Raises ConfigError, StorageError."""
    # Imported here: the prompt is on screen before the rooms are loaded.
    from ei.conversations.store import ConversationStore
    from ei.engine.choice import ModelChooser
    from ei.engine.circuits import down_now
    from ei.engine.estimating import Estimating
    from ei.engine.gate import Gate
    from ei.engine.own import everything
    from ei.engine.services import Services
    from ei.engine.spending import Rooms, Spending
    from ei.models.registry import RegistryStore
    from ei.personas.library import Library
    from ei.providers.endpoints import ENDPOINTS
    from ei.providers.keystore import Keys
    from ei.providers.pool import Providers
    from ei.providers.probe import look
    from ei.providers.redactor import Redactor
    from ei.storage.database import Database
    from ei.storage.state import StateStore
    from ei.usage.budgets import BudgetStore
    from ei.usage.learned import LearnedStore
    from ei.usage.store import CallStore

    paths = config.paths
    _make_folder(paths.data)
    library = Library(paths.personas, paths.archive, shipped_cast())
    library.seed()
    _bring_schemas(paths.schemas)
    database = Database(paths.database)
    state = StateStore(database)

    redactor = Redactor(lambda: _keys(config))
    keys = Keys(paths.settings.parent, lambda name: config.last_good().variable(name), redactor, environment())
    registry = RegistryStore(database)
    calls, learned = CallStore(database), LearnedStore(database)
    chooser = ModelChooser(
        config,
        ENDPOINTS,
        state,
        look,
        registry.all,
        lambda: down_now(calls, time.time, chooser.stays_here),
        keys,
    )
    providers = Providers(chooser.connection, _companion)
    lease_owner, log = f"{os.getpid()}-{os.urandom(4).hex()}", _logger(config, redactor)
    rooms = Rooms(chooser, registry)
    dear = Estimating(rooms, learned, calls, config).dear
    spending = Spending(BudgetStore(database, lease_owner), database, rooms, log, dear)
    return Services(
        config=config,
        library=library,
        database=database,
        conversations=ConversationStore(database),
        calls=calls,
        learned=learned,
        registry=registry,
        state=state,
        providers=providers,
        keys=keys,
        gate=Gate(providers, spending, chooser.is_own, lambda: everything(config.current())),
        chooser=chooser,
        now=time.time,
        log=log,
        lease_owner=lease_owner,
    )


def open_session(services: Services, persona: str | None = None) -> Session:
    """A session with the persona asked for, else the one the person left, else the first that works.

    Raises UsageError for a name that is not there, ConfigError where no persona can be used.
    """
    from ei.engine.session import Session
    from ei.personas.values import Persona
    from ei.storage.state import ACTIVE_PERSONA

    library = services.library
    if persona is not None:
        return Session(services, library.find(persona))
    last = services.state.get(ACTIVE_PERSONA)
    for name in (last, FIRST_PERSONA):
        if isinstance(name, str):
            try:
                return Session(services, library.get(name))
            except EiError:
                continue
    usable = library.personas()
    if not usable:
        broken = [entry.error.sentence for entry in library.all() if not isinstance(entry, Persona)]
        hint = "\n".join([*broken, "Mend one of the files."])
        raise ConfigError(f"No persona in {library.folder} can be used.", hint)
    return Session(services, usable[0])


class Crash(Exception):
    """What nobody foresaw, without any key. kind: the exception's class; str() is its traceback."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@contextlib.contextmanager
def hiding_keys(services: Services) -> Iterator[None]:
    """Turns what nobody foresaw into a Crash: only here is it known which keys were opened in this run."""
    try:
        yield
    except (EiError, BrokenPipeError):
        raise
    except Exception as exc:
        import traceback

        text = services.keys.redactor.hide("".join(traceback.format_exception(exc)))
        raise Crash(type(exc).__name__, text) from None


def write_log(text: str) -> Path:
    """Adds a text to the log, keys taken out, when nothing else may be up. Returns the log's path."""
    config = ConfigFile(environment(), Path.cwd())
    from ei.providers.redactor import Redactor

    _logger(config, Redactor(lambda: _keys(config)))(text)
    return config.paths.log


def shipped_cast() -> Path:
    """The folder of the cast that ships: inside the package when installed, beside it in a checkout."""
    package = Path(ei.__file__).parent
    inside = package / "cast"
    return inside if inside.is_dir() else package.parent / "personas"


def _bring_schemas(folder: Path) -> None:
    """Keeps the two JSON Schemas where a person's own files refer to them, as this version has them."""
    package = Path(ei.__file__).parent
    # They are for editors only: a folder that cannot be written is no reason not to talk.
    with contextlib.suppress(OSError, EiError):
        for source in (package / "personas" / "persona.schema.json", package / "settings.schema.json"):
            target, data = folder / source.name, source.read_bytes()
            if not target.exists() or target.read_bytes() != data:
                folder.mkdir(exist_ok=True)
                write_file(target, data)


def _companion() -> Provider:
    from ei.providers.eliza import Eliza

    return Eliza()


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise ConfigError(
            f"The data folder {path} cannot be made: {exc.strerror or exc}.",
            "Set EI_DATA_PATH to a folder you can write.",
        ) from exc


def _keys(config: ConfigFile) -> list[str]:
    """The keys of the environment that are meant for providers: by their variables' names, and by what refers to them
    in settings."""
    try:
        current = config.current()
    except EiError:
        current = config.last_good()
    referred = set(_REFERRED.findall(str(current.settings)))
    variables = {**current.config_env, **current.folder_env, **current.environment}
    held = (value for name, value in variables.items() if name in referred or name.endswith("_API_KEY"))
    other = (
        value
        for env in (current.config_env, current.folder_env)
        for name, value in env.items()
        if name in referred or name.endswith("_API_KEY")
    )
    return [value for text in (*held, *other) if len(value := text.strip().strip("\"'").strip()) >= 8]


_REFERRED = re.compile(r"(?:env:|'api_key_ref': ')([A-Za-z_][A-Za-z0-9_]*)")


def _secrets(config: ConfigFile) -> list[str]:
    """What no log may hold: what the settings refer to or send as a header, and every variable
    whose name speaks of a key. A file of settings that is broken by now is still searched for references."""
    try:
        current = config.current()
    except EiError:
        current = config.last_good()
    referred: set[str] = set()
    with contextlib.suppress(OSError):
        text = config.paths.settings.read_text("utf-8", errors="replace")
        referred.update(re.findall(r"env:([A-Za-z_][A-Za-z0-9_]*)", text))
    found: set[str] = set()
    for variables in (current.environment, current.folder_env, current.config_env):
        found.update(value for name, value in variables.items() if name in referred or _SECRET_NAME.search(name))
    for provider in current.section("providers").values():
        headers = provider.get("headers") if isinstance(provider, Mapping) else None
        if isinstance(headers, Mapping):
            found.update(str(value) for value in headers.values())
    stripped = {value.strip().strip("\"'").strip() for value in found}
    return [value for value in stripped if len(value) > 5]


_SECRET_NAME = re.compile("KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTHORIZATION", re.IGNORECASE)


def _logger(config: ConfigFile, redactor: Redactor) -> Callable[[str], None]:
    path = config.paths.log

    def log(text: str) -> None:
        text = redactor.hide(text, _secrets(config))
        try:
            if path.exists() and path.stat().st_size > LOG_BYTES:
                path.replace(path.with_suffix(".log.old"))
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                stamp = time.strftime("%Y-%m-%d %H:%M:%S")
                file.write(f"{stamp} ei {ei.__version__}, Python {sys.version.split()[0]}\n{text}\n")
        except OSError:
            pass  # a log that cannot be written must not take the conversation with it

    return log
