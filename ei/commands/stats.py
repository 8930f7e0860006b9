"""/stats: what was counted of the models, so far how often each was kept when it was up against another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ei.commands.base import Command, Invocation, Reply, Table
from ei.commands.parse import options
from ei.errors import UsageError

if TYPE_CHECKING:
    from ei.engine.session import Session

USAGE = "Write /stats compare, /stats compare --by persona or /stats compare --persona NAME."


async def run_stats(call: Invocation) -> Reply:
    given = options(call.words, (), ("--by", "--persona"), USAGE)
    if given.rest not in ((), ("compare",)):
        raise UsageError(f"/stats {' '.join(given.rest)} means nothing.", USAGE)
    by = given.values.get("--by", "")
    if by not in ("", "persona"):
        raise UsageError(f"--by {by} means nothing.", "Write --by persona.")
    from ei.usage.comparing import versus

    name = given.values.get("--persona")
    persona = None if name is None else call.session.services.library.find(name).name
    compared = await call.session.on_main(call.session.services.calls.comparisons, persona)
    found = versus(compared, by_persona=bool(by))
    data = [
        {"model": v.model, "against": v.against, "kept": v.kept, "of": v.of} | ({"persona": v.persona} if by else {})
        for v in found
    ]
    if not found:
        how = call.typed("compare SPEC SPEC")
        of = f" with {persona}" if persona else ""
        return Reply.line(f"Nothing was picked in a comparison{of} yet. {how} begins one.", "dim", data)
    rows = tuple(
        (*((v.persona or "(deleted)",) if by else ()), v.model, v.against, f"{v.kept:,}", f"{v.of:,}") for v in found
    )
    return Reply((Table((*(("persona",) if by else ()), "model", "against", "kept", "of"), rows),), data)


def complete_stats(session: Session, words: Sequence[str]) -> Sequence[tuple[str, str]]:
    """`compare`, then its options."""
    if len(words) <= 1:
        return [("compare", "how often each model was kept")]
    if words[-2] == "--by":
        return [("persona", "each persona on its own")]
    if words[-2] == "--persona":
        return [(persona.name, persona.short_description) for persona in session.services.library.personas()]
    return [("--by", "persona"), ("--persona", "of one persona only")]


STATS = Command(
    "stats",
    "How often each model was kept when it was compared with another",
    (
        "stats compare  all comparisons in which one was picked",
        "stats compare --by persona  each persona on its own",
        "stats compare --persona NAME  of that persona only",
    ),
    run_stats,
    "models",
    complete=complete_stats,
    shell=True,
)
