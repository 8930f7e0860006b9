"""Every setting as one value; the file, its checks and its schema come from these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ei.settings.values import Setting


def _settings() -> Iterable[Setting]:
    yield Setting(
        "default_model",
        None,
        "reference",
        'The model for personas that have none of their own, or "last-used".',
        variable="",
        example="local:google/gemma-3-12b",
    )
    for name, meaning in (
        ("reasoning", "a persona's reply"),
        ("subagents", "a persona asked by another"),
        ("planning", "drafting a persona, deciding whether to speak"),
    ):
        yield Setting(
            f"interactions.{name}.model",
            None,
            "reference",
            f"The model for {meaning}.",
            f"EI_MODEL_{name.upper()}",
            example="google:gemini-2.5-pro",
        )
        yield Setting(
            f"interactions.{name}.tiers",
            None,
            "meanings",
            f"What a tier means, for {meaning}.",
            example={"fast": "groq:llama-3.3-70b-versatile"},
        )
        yield Setting(
            f"interactions.{name}.temperature",
            None,
            "number",
            f"How freely it answers, for {meaning}; null leaves it to the model.",
            low=0,
            high=2,
            example=0.7,
        )
        yield Setting(
            f"interactions.{name}.max_tokens",
            None,
            "count",
            f"The longest reply in tokens, for {meaning}; null leaves it to the model.",
            low=1,
            high=10_000_000,
            example=4096,
        )
    yield Setting(
        "providers",
        {},
        "object",
        "Addresses, key references and headers of providers, and providers of your own.",
        example={
            "work": {
                "base_url": "https://llm.example.org/v1",
                "key": "env:WORK_LLM_KEY",
                "headers": {"X-Team": "writers"},
            }
        },
    )
    yield Setting(
        "llm_profiles",
        [],
        "profiles",
        "Profiles: a model, its parameters, its key and what answers when it cannot, used as profile:ID.",
        example=[
            {
                "id": "creative",
                "provider_type": "oai_compatible",
                "model": "azure/my-deployment",
                "base_url": "https://RESOURCE.openai.azure.com",
                "api_key_ref": "WORK_LLM_KEY",
                "temperature": 0.9,
                "fallback": ["tier:fast", "local:qwen3:8b"],
            }
        ],
    )
    yield Setting(
        "llm_config.default_profile_id",
        None,
        "text",
        "The profile for personas that have no model of their own, where default_model says none.",
        example="creative",
    )
    yield Setting(
        "llm_config.default_model",
        None,
        "reference",
        'The older form: a model that becomes the profile "default".',
        example="google:gemini-2.5-pro",
    )
    yield Setting(
        "llm_config.temperature", None, "number", "The temperature of that profile.", low=0, high=2, example=0.7
    )
    yield Setting(
        "display.theme",
        "auto",
        "choice",
        "Colours: auto looks at the terminal's background.",
        "EI_THEME",
        ("auto", "dark", "light", "plain"),
    )
    yield Setting("display.keys", "emacs", "choice", "How the input line is edited.", "EI_KEYS", ("emacs", "vi"))
    yield Setting(
        "display.ctrl_j",
        "newline",
        "choice",
        "What Ctrl-J does: send is for terminals whose Enter is a line feed.",
        "",
        ("newline", "send"),
    )
    yield Setting("display.reply_line", True, "flag", "Whether model, time and tokens show under each reply.")
    yield Setting(
        "display.reasoning",
        "folded",
        "choice",
        "How much of a model's reasoning shows: nothing, one line, all of it.",
        "",
        ("hidden", "folded", "full"),
    )
    yield Setting("display.recap", 6, "count", "How many messages show when a conversation is opened.", low=0, high=200)
    yield Setting(
        "models.sync",
        True,
        "flag",
        "Whether providers are asked for their models once a day, in the background of a chat.",
        "EI_MODELS_SYNC",
    )
    yield Setting(
        "models.paid",
        [],
        "names",
        "Providers and models that a tier may choose although they cost money.",
        example=["anthropic", "openai:gpt-5-mini"],
    )
    yield Setting(
        "private",
        False,
        "flag",
        "Whether nothing that is said or asked leaves this machine and the hosts in own_hosts.",
        "EI_PRIVATE",
    )
    yield Setting(
        "own_hosts",
        [],
        "names",
        "Hosts of your own beside this machine: what is private may go there, too. Names are never resolved.",
        example=["llm.home", "192.168.1.20", "10.8.0.0/16"],
    )
    yield Setting(
        "costs.ask_above",
        0.25,
        "number",
        "A request that will probably cost more dollars than this is asked about first; null: never.",
        low=0,
        high=1_000_000,
    )
    yield Setting("retry.attempts", 4, "count", "How often a busy provider is asked in all.", low=1, high=20)
    yield Setting(
        "retry.longest_wait", 60, "number", "The longest pause before a further try, in seconds.", low=0, high=3600
    )


def _of_a_provider() -> Iterable[Setting]:
    yield Setting("label", None, "text", "What it is called where providers are listed; its name unless told.")
    yield Setting("base_url", None, "text", "Where it answers, with /v1 where it has one.")
    yield Setting(
        "wire", None, "choice", "Which API it speaks; openai unless told.", choices=("openai", "anthropic", "ollama")
    )
    yield Setting(
        "key",
        None,
        "text",
        "Where its key is: env:NAME, keyring:NAME, cmd:COMMAND, file:NAME or plain:NAME. Never the key itself.",
    )
    yield Setting(
        "headers", None, "texts", "Sent with every request; values may be env:NAME, and what is secret must be."
    )
    yield Setting("organization", None, "text", "The organisation that requests count for, where it has several.")
    yield Setting("project", None, "text", "The project that requests count for, where it has several.")
    yield Setting("default_model", None, "text", "Its model that is offered where only the provider is named.")
    yield Setting("preferred_models", None, "names", "Its models that are shown and chosen before its others.")
    yield Setting("enabled", True, "flag", "Whether it may be used.")
    yield Setting(
        "num_ctx",
        None,
        "count",
        "Ollama alone: the longest context in tokens that a model is loaded with; 32768 unless told.",
        low=256,
        high=100_000_000,
    )
    yield Setting(
        "keep_alive",
        None,
        "text",
        "Ollama alone: how long a model stays in memory after a reply, such as 30m or 24h; -1 for good.",
    )


def _of_a_profile() -> Iterable[Setting]:
    yield Setting("id", None, "text", "What it is called in profile:ID.")
    yield Setting(
        "provider_type",
        None,
        "choice",
        "Which API its provider speaks; the model's reference may say it instead.",
        choices=("oai_compatible", "anthropic", "gemini", "local_openai"),
    )
    yield Setting("model", None, "reference", "The model: its provider's name of it, or a reference such as tier:fast.")
    yield Setting("base_url", None, "text", "Where it answers; the provider's own address unless told.")
    yield Setting(
        "api_key_ref",
        None,
        "key",
        "Where its key is: an environment variable, keyring:NAME, cmd:COMMAND, file:NAME or plain:NAME; the provider's "
        "own unless told. Never the key itself.",
    )
    yield Setting("temperature", 0.7, "number", "How freely it answers.", low=0, high=2)
    yield Setting("top_p", None, "number", "The share of likely words that it picks from.", low=0, high=1)
    yield Setting("max_tokens", None, "count", "The longest reply in tokens.", low=1, high=10_000_000)
    yield Setting("context_window", None, "count", "How many tokens the model takes in all.", low=256, high=100_000_000)
    yield Setting("extra_params", None, "anything", "Sent in the body of each request as it is.")
    yield Setting("fallback", None, "references", "What answers where the model cannot be reached, in this order.")
    yield Setting("fallback_may_cost_more", False, "flag", "Whether a fallback may cost more without asking.")
    yield Setting(
        "prompt_note",
        None,
        "note",
        "Said to the model beside the rest: one text, or texts by provider or model family.",
    )


SETTINGS: Mapping[str, Setting] = {setting.key: setting for setting in _settings()}
OF_A_PROVIDER: Mapping[str, Setting] = {setting.key: setting for setting in _of_a_provider()}
"""What each object in `providers` may hold."""
OF_A_PROFILE: Mapping[str, Setting] = {setting.key: setting for setting in _of_a_profile()}
"""What each of `llm_profiles` may hold."""
