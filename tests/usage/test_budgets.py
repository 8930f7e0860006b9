"""What is set aside and what was spent: whatever happens, what was really spent never exceeds a budget."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ei.conversations.store import ConversationStore
from ei.conversations.values import State
from ei.messages import ReasoningPart, TextPart
from ei.platform import is_running
from ei.storage.database import Database
from ei.usage.budget import UNSAVED, Budget, Held, Quote, Scope, Wish, most_tokens
from ei.usage.budgets import LEASE_MS, BudgetStore, Reserved
from ei.usage.store import CallStore
from ei.usage.values import Call

DOLLAR = 1_000_000_000
QUOTE = Quote("openai", "gpt", 1000, 1 * DOLLAR, 10 * DOLLAR, wanted=1000, hides=False)
"""At most $0.011."""
WISH = Wish("reasoning", "message", "ei")
NOON = time.mktime((2026, 11, 20, 12, 0, 0, 0, 0, -1))


class World:
    """A database, a clock that is set by hand, and processes of which some are gone."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOON
        self.alive = {1}
        self.calls = CallStore(database, clock=lambda: self.now)
        self.budgets = self.process(1)

    def process(self, number: int) -> BudgetStore:
        return BudgetStore(
            self.database, f"{number}-x", clock=lambda: self.now, is_running=lambda pid: pid in self.alive
        )

    def call(self, cost: int | None = None, **fields: object) -> Call:
        call = Call(int(self.now * 1000), "reasoning", "openai", "gpt", "complete", persona="ei", cost=cost)
        return replace(call, **fields)  # type: ignore[arg-type]


@pytest.fixture
def world() -> Iterator[World]:
    database = Database(None)
    yield World(database)
    database.close()


def reserved(found: Reserved | Held) -> str:
    assert isinstance(found, Reserved)
    assert found.id
    return found.id


def test_what_is_set_aside_counts_until_its_call_is_known(world: World) -> None:
    world.budgets.set(Budget("day", 15_000_000))
    id = reserved(world.budgets.reserve(WISH, QUOTE))
    (standing,) = world.budgets.standings()
    assert (standing.spent, standing.reserved, standing.left) == (0, 11_000_000, 4_000_000)
    assert isinstance(world.budgets.reserve(WISH, replace(QUOTE, input_tokens=4000)), Held)
    world.calls.record(world.call(2_000_000), id)
    (standing,) = world.budgets.standings()
    assert (standing.spent, standing.reserved, standing.left) == (2_000_000, 0, 13_000_000)


def test_what_costs_nothing_or_counts_for_no_budget_is_not_set_aside(world: World) -> None:
    assert world.budgets.reserve(WISH, QUOTE) == Reserved()
    world.budgets.set(Budget("provider", 0, "x"))
    assert world.budgets.reserve(WISH, QUOTE) == Reserved()
    assert world.budgets.reserve(WISH, replace(QUOTE, provider="x", input_price=0, output_price=0)) == Reserved()
    assert isinstance(world.budgets.reserve(WISH, replace(QUOTE, provider="x")), Held)


def test_a_model_of_unknown_price_is_held_until_it_is_allowed(world: World) -> None:
    unknown = replace(QUOTE, input_price=None)
    world.budgets.set(Budget("month", 100 * DOLLAR))
    assert world.budgets.reserve(WISH, unknown) == Held((), None)
    assert world.budgets.allow("openai:gpt")
    assert world.budgets.reserve(WISH, unknown) == Reserved()
    assert world.budgets.allowed() == ("openai:gpt",)
    assert world.budgets.allow("openai:gpt", False)
    assert world.budgets.reserve(WISH, unknown, approved=True) == Held((), None)


def test_what_the_person_lets_through_is_recorded_as_that(world: World) -> None:
    world.budgets.set(Budget("day", 0))
    assert isinstance(world.budgets.reserve(WISH, QUOTE), Held)
    id = reserved(world.budgets.reserve(WISH, QUOTE, approved=True))
    world.calls.record(world.call(5), id)
    (call,) = world.calls.calls()
    assert (call.approved, call.cost, call.assumed) == (True, 5, None)


def test_a_call_of_unknown_cost_counts_as_all_that_was_set_aside(world: World) -> None:
    world.budgets.set(Budget("day", DOLLAR))
    world.calls.record(world.call(outcome="failed"), reserved(world.budgets.reserve(WISH, QUOTE)))
    (standing,) = world.budgets.standings()
    assert (standing.spent, standing.unknown) == (11_000_000, 0)


def test_an_estimated_cost_counts_as_the_most_that_its_text_may_have_cost(world: World) -> None:
    world.budgets.set(Budget("day", DOLLAR))
    id = reserved(world.budgets.reserve(WISH, QUOTE))
    world.calls.record(world.call(1_000, estimated=True, outcome="cancelled"), id, 100)
    assert world.budgets.standings()[0].spent == QUOTE.cost(100 + UNSAVED)
    assert world.calls.calls()[0].cost == 1_000


def test_one_more_attempt_has_to_fit_as_well(world: World) -> None:
    world.budgets.set(Budget("day", 25_000_000))
    first = reserved(world.budgets.reserve(WISH, QUOTE))
    second = reserved(world.budgets.again(first))
    assert isinstance(world.budgets.again(second), Held)
    assert world.budgets.standings()[0].reserved == 22_000_000


def test_a_new_day_begins_with_all_of_its_budget_and_the_month_goes_on(world: World) -> None:
    world.budgets.set(Budget("day", 20_000_000))
    world.budgets.set(Budget("month", 40_000_000))
    id = reserved(world.budgets.reserve(WISH, QUOTE))
    world.now += 86_400
    world.budgets.renew()
    assert [one.reserved for one in world.budgets.standings()] == [0, 11_000_000]
    # It counts for the day in which it was set aside, whenever it ends.
    world.calls.record(world.call(11_000_000), id)
    assert [one.spent for one in world.budgets.standings()] == [0, 11_000_000]


def test_the_person_is_warned_once_in_a_period(world: World) -> None:
    world.budgets.set(Budget("day", 10))
    world.calls.record(world.call(7))
    assert world.budgets.to_warn() == ()
    world.calls.record(world.call(1))
    assert [one.percent for one in world.budgets.to_warn()] == [80]
    assert world.budgets.to_warn() == ()
    world.now += 86_400
    world.calls.record(world.call(9))
    assert [one.percent for one in world.budgets.to_warn()] == [90]


def test_a_chat_that_is_not_saved_counts_for_the_budget_of_its_persona(world: World) -> None:
    world.budgets.set(Budget("persona", DOLLAR, "ei"))
    world.calls.record(world.call(7, persona=None), reserved(world.budgets.reserve(WISH, QUOTE)))
    assert world.budgets.standings()[0].spent == 7
    world.budgets.clear("persona", "ei")
    world.budgets.set(Budget("day", DOLLAR))
    world.calls.record(world.call(7, persona=None), reserved(world.budgets.reserve(WISH, QUOTE)))
    assert [call.persona for call in world.calls.calls()] == [None, "ei"]


def test_clearing_and_setting_anew(world: World) -> None:
    world.budgets.set(Budget("day", 1, then="switch", reference={"tier": "fast"}))
    world.budgets.set(Budget("conversation", 2, "c"))
    assert [one.budget for one in world.budgets.standings()] == [
        Budget("day", 1, then="switch", reference={"tier": "fast"}),
        Budget("conversation", 2, "c"),
    ]
    world.budgets.set(Budget("day", 3))
    assert world.budgets.standings()[0].budget == Budget("day", 3)
    assert world.budgets.clear("day")
    assert not world.budgets.clear("day")
    assert world.budgets.any()


# Processes that are gone -------------------------------------------------------------------------------------


def streaming(world: World, text: str, reasoning: str = "") -> str:
    """The id of a reply that was saved so far."""
    store = ConversationStore(world.database)
    id = store.create("ei").id
    message = store.append(id, None, "assistant", "ei", (), State.STREAMING, lease_owner="2-x", lease_ms=1000).id
    parts = (*((ReasoningPart(reasoning),) if reasoning else ()), TextPart(text))
    store.save_stream(message, parts, "2-x", 1000)
    return message


@pytest.mark.parametrize(
    ("hides", "text", "reasoning", "tokens"),
    [
        (False, "Hello", "", 5),
        (True, "Hello", "so", 7),
        (True, "Hello", "", None),
        (False, "", "", None),
    ],
)
def test_what_a_killed_process_set_aside_is_settled_from_the_text_that_it_saved(
    world: World, hides: bool, text: str, reasoning: str, tokens: int | None
) -> None:
    world.budgets.set(Budget("day", DOLLAR))
    quote = replace(QUOTE, hides=hides)
    message = streaming(world, text, reasoning)
    reserved(world.process(2).reserve(replace(WISH, message=message), quote))
    world.now += LEASE_MS / 1000 + 1
    (standing,) = world.budgets.standings()
    amount = quote.cost(1000) if tokens is None else quote.cost(tokens + UNSAVED)
    assert (standing.spent, standing.reserved) == (amount, 0)
    (call,) = world.calls.calls()
    assert (call.message, call.cost, call.assumed, call.outcome) == (message, None, amount, "cancelled")


def test_a_process_that_runs_keeps_what_it_set_aside_though_it_slept(world: World) -> None:
    world.budgets.set(Budget("day", DOLLAR))
    reserved(world.budgets.reserve(WISH, QUOTE))
    world.now += LEASE_MS / 1000 + 1
    assert world.budgets.standings()[0].reserved == 11_000_000
    assert world.budgets.renew() == 1


def test_a_process_that_was_taken_for_gone_counts_its_call_once(world: World) -> None:
    world.budgets.set(Budget("day", DOLLAR))
    id = reserved(world.process(2).reserve(WISH, QUOTE))
    world.now += LEASE_MS / 1000 + 1
    assert world.budgets.standings()[0].spent == 11_000_000
    world.calls.record(world.call(3), id)
    assert world.budgets.standings()[0].spent == 3
    assert len(world.calls.calls()) == 1


CHILD = """
import os, sys
from pathlib import Path
from tests.usage.test_budgets import QUOTE, WISH
from ei.storage.database import Database
from ei.usage.budgets import BudgetStore
store = BudgetStore(Database(Path(sys.argv[1])), f"{os.getpid()}-child")
print(sum(bool(getattr(store.reserve(WISH, QUOTE), "id", "")) for _ in range(30)), flush=True)
os._exit(9)
"""


def test_two_processes_cannot_overshoot_together_and_what_they_left_is_settled(tmp_path: Path) -> None:
    file = tmp_path / "ei.db"
    database = Database(file)
    later = [0.0]
    store = BudgetStore(database, "0-parent", clock=lambda: time.time() + later[0])
    store.set(Budget("month", 11_000_000 * 40))
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(file)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    got = [int(child.communicate(timeout=30)[0]) for child in children]
    assert sum(got) == 40
    assert not any(is_running(child.pid) for child in children)
    assert store.standings()[0].left == 0
    later[0] = LEASE_MS / 1000 + 1
    (standing,) = store.standings()
    assert (standing.spent, standing.reserved) == (11_000_000 * 40, 0)
    database.close()


def test_threads_cannot_overshoot_together(tmp_path: Path) -> None:
    database = Database(tmp_path / "ei.db")
    store = BudgetStore(database, "1-x")
    store.set(Budget("day", 11_000_000 * 10))
    got: list[Reserved | Held] = []

    def ask() -> None:
        got.extend(store.reserve(WISH, QUOTE) for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, Reserved) for one in got) == 10
    database.close()


# Whatever happens --------------------------------------------------------------------------------------------


@dataclass
class Sent:
    """A request under way. id: of what was set aside; at: seconds since 1970 when it was; most: tokens of reply."""

    id: str
    wish: Wish
    quote: Quote
    process: int
    most: int
    at: float
    message: str | None


PROVIDERS, PERSONAS = ("openai", "x"), ("ei", "lena")


class Spent(RuleBasedStateMachine):
    """Requests that go out, end, fail, are tried again, stopped and killed in any order, against any budgets.

    real: what each really cost: (moment, provider, persona, nano-dollars), known to the providers alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.database = Database(None)
        self.world = World(self.database)
        self.store = ConversationStore(self.database)
        self.conversation = self.store.create("ei").id
        self.sent: list[Sent] = []
        self.real: list[tuple[float, Wish, str, int]] = []
        self.limits: dict[tuple[Scope, str], int] = {}
        self.number = 1

    def teardown(self) -> None:
        self.database.close()

    def finished(self, one: Sent, tokens: int, sent_tokens: int) -> int:
        """What it really cost, which nobody here is told."""
        assert one.quote.input_price is not None
        assert one.quote.output_price is not None
        cost = (sent_tokens * one.quote.input_price + tokens * one.quote.output_price) // 1_000_000 + one.quote.fixed
        self.real.append((one.at, one.wish, one.quote.provider, cost))
        return cost

    @initialize(
        budgets=st.dictionaries(
            st.sampled_from(["day", "month", "provider", "persona", "conversation"]),
            st.integers(10_000_000, 300_000_000),
            min_size=1,
        )
    )
    def set_budgets(self, budgets: dict[Scope, int]) -> None:
        names = {"provider": PROVIDERS[0], "persona": PERSONAS[0], "conversation": self.conversation}
        for scope, amount in budgets.items():
            name = names.get(scope, "")
            self.world.budgets.set(Budget(scope, amount, name))
            self.limits[scope, name] = amount

    @rule(
        provider=st.sampled_from(PROVIDERS),
        persona=st.sampled_from(PERSONAS),
        saved=st.booleans(),
        tokens=st.integers(0, 5000),
        price=st.sampled_from([0, DOLLAR // 3, 2 * DOLLAR, 5 * DOLLAR]),
        output=st.sampled_from([0, DOLLAR, 7 * DOLLAR, 20 * DOLLAR]),
        fixed=st.sampled_from([0, 1_000_000]),
        wanted=st.none() | st.integers(1, 5000),
        hides=st.booleans(),
        process=st.integers(1, 3),
    )
    def send(
        self,
        provider: str,
        persona: str,
        saved: bool,
        tokens: int,
        price: int,
        output: int,
        fixed: int,
        wanted: int | None,
        hides: bool,
        process: int,
    ) -> None:
        quote = Quote(provider, "m", tokens, price, output, fixed, wanted, hides=hides)
        message = None
        if saved:
            head = self.store.get(self.conversation).head
            lease = {"lease_owner": "x", "lease_ms": 10**9}
            message = self.store.append(self.conversation, head, "assistant", persona, (), State.STREAMING, **lease).id  # type: ignore[arg-type]
        wish = Wish("reasoning", "message", persona, self.conversation if saved else None, message)
        number = process + 10 * self.number
        self.world.alive.add(number)
        found = self.world.process(number).reserve(wish, quote)
        if isinstance(found, Reserved):
            if found.fit is None:
                most = wanted or 100
                if not quote.free:
                    self.real_without(wish, quote)
                    return
            else:
                most = found.fit.max_tokens
            self.sent.append(Sent(found.id, wish, quote, number, most, self.world.now, message))

    def real_without(self, wish: Wish, quote: Quote) -> None:
        """No budget applies: it may cost anything."""
        self.real.append((self.world.now, wish, quote.provider, 10 * DOLLAR))
        fields = {"persona": wish.persona, "conversation": wish.conversation, "provider": quote.provider}
        self.world.calls.record(self.world.call(10 * DOLLAR, **fields))

    def one(self, data: st.DataObject) -> Sent:
        return self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1), label="which"))

    def row(self, one: Sent, cost: int | None, **fields: object) -> Call:
        saved = one.wish.conversation is not None
        about = {"persona": one.wish.persona if saved else None, "conversation": one.wish.conversation}
        return self.world.call(cost, provider=one.quote.provider, message=one.message, **about, **fields)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), part=st.floats(0, 1), sent=st.floats(0, 1))
    def ends(self, data: st.DataObject, part: float, sent: float) -> None:
        """Its server counts its tokens and says so."""
        one = self.one(data)
        cost = self.finished(one, int(one.most * part), int(one.quote.input_tokens * sent))
        self.world.calls.record(self.row(one, cost), one.id)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), part=st.floats(0, 1))
    def is_stopped(self, data: st.DataObject, part: float) -> None:
        """The person stops it: what came is estimated here, and it may have cost more."""
        one = self.one(data)
        came = int(one.most * part)
        self.finished(one, min(one.most, came + UNSAVED), one.quote.input_tokens)
        estimate = one.quote.cost(came) // 5
        self.world.calls.record(self.row(one, estimate, estimated=True, outcome="cancelled"), one.id, came)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), part=st.floats(0, 1))
    def is_lost(self, data: st.DataObject, part: float) -> None:
        """The line is cut before anything came: nobody here knows what it cost."""
        one = self.one(data)
        self.finished(one, int(one.most * part), one.quote.input_tokens)
        self.world.calls.record(self.row(one, None, outcome="failed"), one.id)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def is_refused(self, data: st.DataObject) -> None:
        one = self.one(data)
        self.world.calls.record(self.row(one, 0, outcome="failed", status=400), one.id)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), part=st.floats(0, 1))
    def is_tried_again(self, data: st.DataObject, part: float) -> None:
        """It was cut before anything came, and is sent once more where that fits."""
        one = self.one(data)
        self.finished(one, int(one.most * part), one.quote.input_tokens)
        found = self.world.process(one.process).again(one.id)
        self.world.calls.record(self.row(one, None, outcome="failed"), one.id)
        if isinstance(found, Reserved) and found.id:
            self.sent.append(replace(one, id=found.id, at=self.world.now))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), part=st.floats(0, 1), thinks=st.booleans())
    def is_killed(self, data: st.DataObject, part: float, thinks: bool) -> None:
        """Its process dies; all that it has under way is left behind, some of it with text."""
        gone = self.sent[data.draw(st.integers(0, len(self.sent) - 1), label="which")].process
        for one in [one for one in self.sent if one.process == gone]:
            self.sent.remove(one)
            tokens = int(one.most * part)
            if one.message is not None:
                shown = "a" * max(tokens - UNSAVED, 0)
                thought = "b" * (len(shown) // 2) if thinks else ""
                parts = (*((ReasoningPart(thought),) if thought else ()), TextPart(shown[len(thought) :]))
                self.store.save_stream(one.message, parts, "x", 10**9)
                assert most_tokens([shown]) + UNSAVED >= tokens
            self.finished(one, tokens, one.quote.input_tokens)
        self.world.alive.discard(gone)
        self.number += 1

    @rule(seconds=st.sampled_from([1, 15, 40, 4000, 50_000, 86_400, 20 * 86_400]))
    def time_goes_by(self, seconds: int) -> None:
        self.world.now += seconds
        for number in self.world.alive:
            self.world.process(number).renew()

    @invariant()
    def what_was_spent_never_exceeds_a_budget(self) -> None:
        for (scope, name), amount in self.limits.items():
            spent: dict[str, int] = {}
            for at, wish, provider, cost in self.real:
                about = {"provider": provider, "persona": wish.persona, "conversation": wish.conversation}
                if scope in about and about[scope] != name:
                    continue
                there = time.localtime(at)
                key = {"day": "%Y-%m-%d", "conversation": ""}.get(scope, "%Y-%m")
                period = time.strftime(key, there)
                spent[period] = spent.get(period, 0) + cost
            assert all(total <= amount for total in spent.values()), (scope, name, amount, spent)


Spent.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWhatWasSpentNeverExceedsABudget = Spent.TestCase
