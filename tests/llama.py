"""A real llama.cpp server for the tests that need one: EI_LLAMA_SERVER is its executable, EI_LLAMA_MODEL a GGUF file.

@pytest.fixture(scope="session")
def llama() -> Iterator[Llama]:
    yield from started_llama()
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CONTEXT = 4096
START_SECONDS = 60.0

# What the model that the tests are made for answers to everything; a token is a word with the space before it.
ANSWER = """Hello! I am a tiny model made for tests. Here is some **bold** text, a list:

- first point
- second point, with naïve café and 日本語 🙂

```python
print("hi")
```

That was all."""


@dataclass(frozen=True, slots=True)
class Llama:
    """A running server; key is "" where it asks for none."""

    url: str
    """The base URL for an OpenAI client."""
    anthropic_url: str
    key: str
    model: str = "tiny"


def started_llama(key: str = "", context: int = CONTEXT) -> Iterator[Llama]:
    """Starts a server on a free port and ends it by its process id.

    Skips the test where a person has none; fails it where EI_REQUIRE_LLAMA says that there must be one.
    """
    executable, model = os.environ.get("EI_LLAMA_SERVER", ""), os.environ.get("EI_LLAMA_MODEL", "")
    if not executable or not model:
        give_up = pytest.fail if os.environ.get("EI_REQUIRE_LLAMA") else pytest.skip
        give_up("no llama.cpp server: EI_LLAMA_SERVER and EI_LLAMA_MODEL are not set")
    if not Path(executable).exists() or not Path(model).exists():
        pytest.fail(f"EI_LLAMA_SERVER={executable} or EI_LLAMA_MODEL={model} does not exist")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    arguments = [
        executable, "--host", "127.0.0.1", "--port", str(port), "--model", model, "--alias", "tiny",
        "--ctx-size", str(context), "--threads", "2", "--no-warmup", "--parallel", "2", "--kv-unified",
    ]  # fmt: skip
    if key:
        arguments += ["--api-key", key]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/health", process)
            yield Llama(f"http://127.0.0.1:{port}/v1", f"http://127.0.0.1:{port}", key)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the llama.cpp server ended with code {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"the llama.cpp server did not answer within {START_SECONDS:g} s")
