"""The table of providers: where each runs, how it is spoken to, which variables configure it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ei.providers.base import Endpoint

LOCAL = Endpoint(
    name="local",
    label="LM Studio, llama.cpp or vLLM",
    wire="openai",
    base_url="http://127.0.0.1:1234/v1",
    prefix="EI_LLM",
    aliases=("lmstudio", "lm-studio", "llamacpp", "llama.cpp", "vllm"),
    needs_key=False,
    local=True,
    example="google/gemma-3-12b",
    catalogue="/api/v1/models",  # LM Studio's own
)

OLLAMA = Endpoint(
    name="ollama",
    label="Ollama",
    wire="ollama",
    base_url="http://127.0.0.1:11434/v1",
    prefix="EI_OLLAMA",
    key_variables=("OLLAMA_API_KEY",),
    url_variables=("OLLAMA_HOST", "OLLAMA_URL"),
    needs_key=False,
    local=True,
    example="qwen3:8b",
    catalogue="/api/tags",
    details="/api/show",
)

OPENAI = Endpoint(
    name="openai",
    label="OpenAI",
    wire="openai",
    base_url="https://api.openai.com/v1",
    prefix="EI_OPENAI",
    aliases=("gpt", "chatgpt"),
    key_variables=("OPENAI_API_KEY",),
    max_tokens_name="max_completion_tokens",
    example="gpt-5.1",
)

GOOGLE = Endpoint(
    name="google",
    label="Google Gemini",
    wire="openai",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    prefix="EI_GOOGLE",
    aliases=("gemini",),
    key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    example="gemini-2.5-pro",
)

ANTHROPIC = Endpoint(
    name="anthropic",
    label="Anthropic Claude",
    wire="anthropic",
    base_url="https://api.anthropic.com",
    prefix="EI_ANTHROPIC",
    aliases=("claude",),
    key_variables=("ANTHROPIC_API_KEY",),
    example="claude-haiku-4-5",
)

X = Endpoint(
    name="x",
    label="xAI Grok",
    wire="openai",
    base_url="https://api.x.ai/v1",
    prefix="EI_XAI",
    aliases=("xai", "grok"),
    key_variables=("XAI_API_KEY",),
    example="grok-4",
    catalogue="/v1/language-models",  # with prices
)

GROQ = Endpoint(
    name="groq",
    label="Groq",
    wire="openai",
    base_url="https://api.groq.com/openai/v1",
    prefix="EI_GROQ",
    key_variables=("GROQ_API_KEY",),
    max_tokens_name="max_completion_tokens",
    example="llama-3.3-70b-versatile",
)

TOGETHER = Endpoint(
    name="together",
    label="Together AI",
    wire="openai",
    base_url="https://api.together.xyz/v1",
    prefix="EI_TOGETHER",
    aliases=("togetherai",),
    key_variables=("TOGETHER_API_KEY",),
    example="meta-llama/Llama-3.3-70B-Instruct-Turbo",
)

MISTRAL = Endpoint(
    name="mistral",
    label="Mistral AI",
    wire="openai",
    base_url="https://api.mistral.ai/v1",
    prefix="EI_MISTRAL",
    aliases=("mistralai",),
    key_variables=("MISTRAL_API_KEY",),
    usage_option=False,  # answered 422 to stream_options, and sends usage unasked
    example="mistral-large-latest",
)

OPENROUTER = Endpoint(
    name="openrouter",
    label="OpenRouter",
    wire="openai",
    base_url="https://openrouter.ai/api/v1",
    prefix="EI_OPENROUTER",
    key_variables=("OPENROUTER_API_KEY",),
    usage_option=False,  # ignored there: usage, with its cost, always comes
    example="qwen/qwen3-8b",
)

DEEPSEEK = Endpoint(
    name="deepseek",
    label="DeepSeek",
    wire="openai",
    base_url="https://api.deepseek.com",
    prefix="EI_DEEPSEEK",
    key_variables=("DEEPSEEK_API_KEY",),
    example="deepseek-chat",
)

AZURE = Endpoint(
    name="azure",
    label="Azure OpenAI",
    wire="openai",
    base_url="",  # every person has a resource of their own
    prefix="EI_AZURE",
    aliases=("azure-openai",),
    key_variables=("AZURE_OPENAI_API_KEY",),
    url_variables=("AZURE_OPENAI_ENDPOINT",),
    max_tokens_name="max_completion_tokens",
    example="my-deployment",
)

BUILTIN = Endpoint(
    name="builtin",
    label="the built-in companion",
    wire="builtin",
    base_url="",
    prefix="EI_BUILTIN",
    aliases=("built-in",),
    needs_key=False,
    local=True,
    example="eliza",
)

ENDPOINTS: tuple[Endpoint, ...] = (
    LOCAL,
    OLLAMA,
    OPENAI,
    GOOGLE,
    ANTHROPIC,
    X,
    GROQ,
    TOGETHER,
    MISTRAL,
    OPENROUTER,
    DEEPSEEK,
    AZURE,
    BUILTIN,
)


def find_endpoint(name: str, endpoints: Iterable[Endpoint] = ENDPOINTS) -> Endpoint | None:
    """The endpoint with that name or alias, in any case; None where there is none."""
    return by_name(endpoints).get(name.strip().lower())


def by_name(endpoints: Iterable[Endpoint]) -> Mapping[str, Endpoint]:
    """Every name and alias with its endpoint. A name wins over an alias, the first of two equal ones wins."""
    rows = tuple(endpoints)
    out: dict[str, Endpoint] = {}
    for endpoint in rows:
        out.setdefault(endpoint.name, endpoint)
    for endpoint in rows:
        for alias in endpoint.aliases:
            out.setdefault(alias, endpoint)
    return out
