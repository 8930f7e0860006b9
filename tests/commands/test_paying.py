"""/models pay: what tiers may choose although it costs money, kept in settings.jsonc with its comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from ei.errors import UsageError
from ei.models.values import Model, Prices
from tests.bench_session import Bench, bench, text_of

DOLLAR = 1_000_000_000
MEANS = "A tier (tier:smart) chooses free and local models only, and these. A model named by itself is always asked."


async def said(b: Bench, line: str) -> list[str]:
    return text_of(await b.command(line)).splitlines()


def opus(input: int = 5) -> Model:
    return Model("anthropic", "claude-opus-4-7", prices=Prices(input * DOLLAR, None, None, 25 * DOLLAR, "person"))


async def test_a_provider_is_allowed_and_a_tier_chooses_it_until_it_is_not(tmp_path: Path) -> None:
    file = tmp_path / "config" / "settings.jsonc"
    file.parent.mkdir()
    file.write_text('{\n  // mine\n  "models": {"sync": false}, // quiet\n}\n', "utf-8")
    async with bench(tmp_path, EI_ANTHROPIC_API_KEY="k") as b:
        b.services.registry.add(opus())
        tier = b.services.registry.all()[0].tier
        assert await said(b, "/models pay") == [
            "No tier may choose what costs money yet. To allow it: /models pay PROVIDER",
            MEANS,
        ]
        told = await said(b, f"/model tier:{tier}")
        assert "Allow a provider or a model: /models pay anthropic" in "\n".join(told)
        assert await said(b, "/models pay Claude") == [
            "Tiers may choose anthropic from now on: 1 model, $25 per million tokens written.",
            "Every reply tells what it cost. To end it: /models pay --not anthropic",
        ]
        assert file.read_text("utf-8") == (
            '{\n  // mine\n  "models": {"sync": false, "paid": ["anthropic"]}, // quiet\n}\n'
        )
        assert str((await b.session.resolution()).model) == "anthropic:claude-opus-4-7"
        assert await said(b, "/models pay") == [
            "anthropic | 1 model, $25 per million tokens written",
            f"{MEANS} To end one: /models pay --not NAME",
        ]
        assert await said(b, "/models pay anthropic") == ["Tiers may choose anthropic already."]
        assert await said(b, "/models pay --not claude") == ["Tiers choose anthropic no longer, unless it is free."]
        assert '"paid": []' in file.read_text("utf-8")
        with pytest.raises(UsageError, match="they cost|costs money|nobody allowed|cost money"):
            await b.session.resolution()


async def test_a_model_is_allowed_with_its_price_said_and_an_unknown_one_with_a_warning(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.services.registry.add(opus())
        assert (await said(b, "/models pay anthropic:claude-opus-4-7"))[0] == (
            "Tiers may choose anthropic:claude-opus-4-7 from now on: $5 in, $25 out per million tokens."
        )
        assert (await said(b, "/models pay groq:new"))[:2] == [
            "Tiers may choose groq:new from now on: nobody says what it costs.",
            "The registry has no such model now: /models add groq:new",
        ]
        reply = await b.command("/models pay anthropic")
        assert reply.data == {"paid": ["anthropic:claude-opus-4-7", "groq:new", "anthropic"]}
        assert (await said(b, "/models pay --not anthropic:claude-opus-4-7"))[-1] == (
            "They still may: anthropic is allowed as a whole."
        )


async def test_names_written_by_hand_count_by_their_aliases_and_what_names_nobody_is_passed_over(
    tmp_path: Path,
) -> None:
    file = tmp_path / "config" / "settings.jsonc"
    file.parent.mkdir()
    file.write_text('{"models": {"paid": ["Claude", "nobody", "xai:grok-4"]}}', "utf-8")
    async with bench(tmp_path) as b:
        assert b.services.chooser.market().paid == {"anthropic", "x:grok-4"}
        assert (await b.command("/models pay")).data == {"paid": ["anthropic", "nobody", "x:grok-4"]}
        await b.command("/models pay --not nobody")
        assert file.read_text("utf-8") == '{"models": {"paid": ["Claude", "xai:grok-4"]}}'


async def test_the_others_in_the_file_stay_with_their_comments_also_what_came_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "config" / "settings.jsonc"
    file.parent.mkdir()
    text = '{"models": {"paid": [\n  "claude", // by invoice\n  "groq", // for tests\n]}}\n'
    file.write_text(text, "utf-8")
    async with bench(tmp_path) as b:
        await b.command("/models pay --not anthropic")
        assert '"groq", // for tests' in file.read_text("utf-8")
        file.write_text(text, "utf-8")
        await b.command("/models pay xai")
        added = text.replace("// for tests\n", '// for tests\n  "x",\n')
        assert file.read_text("utf-8") == added
        # Another program takes one out between reading and writing.
        b.services.config.current()
        file.write_text(added.replace('  "groq", // for tests\n', ""), "utf-8")
        await b.command("/models pay mistral")
        assert "groq" not in file.read_text("utf-8")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/models pay antropic", '"antropic" is neither a provider nor a model. Did you mean anthropic?'),
        ("/models pay --not groq", "groq is not among what tiers may choose. Nothing is."),
        ("/models pay a b", "One provider or one model at a time. For example: /models pay anthropic"),
        ("/models pay tier:smart", "tier:smart is no model by itself. Name one model: provider:model."),
        ("/models pay nobody:x", 'Unknown provider "nobody".'),
    ],
)
async def test_what_makes_no_sense_is_refused(tmp_path: Path, line: str, told: str) -> None:
    async with bench(tmp_path) as b:
        with pytest.raises(UsageError) as caught:
            await b.command(line)
        assert str(caught.value).startswith(told)
