"""What every test of the chat starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.homes import Home
from tests.wire import WireServer


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Empty folders; nothing answers anywhere."""
    return Home(tmp_path)


@pytest.fixture
def server() -> Iterator[WireServer]:
    """A model server."""
    with WireServer() as started:
        yield started


@pytest.fixture
def talking(tmp_path: Path, server: WireServer) -> Home:
    """Folders, and a local server whose model `tiny` answers where nothing else is set."""
    return Home(tmp_path, {"EI_LLM_BASE_URL": server.url, "EI_LLM_MODEL": "local:tiny"})
