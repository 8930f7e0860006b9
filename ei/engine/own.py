"""What may stay with the person: which hosts are the person's own, and why something must not leave. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ei.config import Config
from ei.errors import UsageError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

WIDEST = {4: 8, 6: 16}
"""The shortest prefix that a network of one's own has, by the version of IP."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """Why something must stay on this machine; false where nothing says so.

    everywhere: where it is set for everything ("EI_PRIVATE (environment)"), "". asked: the private ones among who the
    conversation is with and who answers. present: those who otherwise spoke or were spoken to in it. marked: the
    person marked the conversation. messages: how many in it are private. here: it is about a conversation.
    """

    everywhere: str = ""
    asked: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    marked: bool = False
    messages: int = 0
    here: bool = False

    def __bool__(self) -> bool:
        return bool(self.everywhere or self.asked or self.present or self.marked or self.messages)

    @property
    def people(self) -> tuple[str, ...]:
        """Every persona that makes it so."""
        return tuple(dict.fromkeys((*self.asked, *self.present)))

    @property
    def sentence(self) -> str:
        """`This conversation is private (mike is)`, without its end."""
        if self.everywhere:
            variable = self.everywhere.split(" ")[0]
            return f"Everything is private{f' ({variable})' if variable.startswith('EI_') else ''}"
        if not self.here:
            return f"{_are(self.people)} private" if self.people else "This is private"
        why = self.why
        return f"This conversation is private{f' ({why})' if why else ''}"

    @property
    def why(self) -> str:
        """Why a conversation is: `mike is`, `3 messages in it are`, "" where the person marked it."""
        if self.people:
            return _are(self.people)
        if self.marked or not self.messages:
            return ""
        return "a message in it is" if self.messages == 1 else f"{self.messages:,} messages in it are"

    @property
    def hint(self) -> str:
        """What a person can do where it keeps something from being sent."""
        local = "Pick a model on this machine: /model SPEC"
        if self.everywhere:
            ends = "/private off ends it." if not self.everywhere.startswith("EI_") else "/private tells more."
            return f"{local}. {ends}"
        if self.asked:
            return f"{local}. What makes {self.asked[0]} private is in its file: /persona edit {self.asked[0]}"
        return f"{local}, or let it leave: /private here off" if self.here else f"{local}, or see /private."


OPEN = Privacy()
"""Nothing keeps it here."""


def everything(config: Config) -> Privacy:
    """Whether everything is private: EI_PRIVATE first, then `private` in settings. Raises ConfigError.

    A `.env` in the working directory, which somebody else may have written, can switch it on and never off.
    """
    found = config.value("private")
    if not found.value and (variable := config.variable("EI_PRIVATE")) is not None and variable.folder:
        found = replace(config, folder_env={}).value("private")
    return Privacy(found.source) if found.value else OPEN


def own_hosts(config: Config) -> tuple[str, ...]:
    """The hosts that the person marked as own, as written."""
    found = config.get("own_hosts")
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def is_own_host(host: str, own: Iterable[str]) -> bool:
    """Whether a host (a name, or an address without brackets) is one of those, by what is written alone.

    A name is never resolved: who answers a question of names could otherwise make any host one's own.
    """
    import ipaddress

    wanted = host.lower().rstrip(".")
    address = _address(wanted)
    for entry in own:
        written = entry.strip().lower().rstrip(".")
        if address is None:
            if wanted and written == wanted:
                return True
            continue
        try:
            network = ipaddress.ip_network(written.strip("[]"), strict=False)
        except ValueError:
            continue
        if network.version == address.version and address in network:
            return True
    return False


def host_entry(text: str) -> str:
    """What a person typed as `own_hosts` keeps it: a name, an address or a network. Raises UsageError.

    An URL and a port are taken apart; this machine, and networks that are half the world, are refused.
    """
    import ipaddress

    written = text.strip().lower().rstrip(".")
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", written)
    if bare != written:
        bare = bare.partition("/")[0]
    if match := re.fullmatch(r"\[(.+)\](?::\d+)?", bare):
        bare = match[1]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        network = ipaddress.ip_network(bare, strict=False)
    except ValueError:
        if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", bare) or re.fullmatch(r"[0-9.]+", bare):
            raise UsageError(
                f'"{text}" is no host.', "Write a name (llm.home), an address (10.0.0.7) or a network (10.0.0.0/24)."
            ) from None
        if bare == "localhost" or bare.endswith(".localhost"):
            raise _this_machine(text) from None
        return bare
    if network.is_loopback:
        raise _this_machine(text)
    if network.prefixlen < WIDEST[network.version]:
        raise UsageError(f"{network} is too wide to be your own.", f"Write /{WIDEST[network.version]} or longer.")
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _this_machine(text: str) -> UsageError:
    return UsageError(
        f"{text} is this machine: it needs no mark.",
        "A provider on the network whose address was set to it counts as a proxy, which sends on what it gets.",
    )


def _address(host: str) -> IPv4Address | IPv6Address | None:
    import ipaddress

    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _are(names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{', '.join(names[:-1])} and {names[-1]} are"
