"""What holds for every test: one that needs a real model server is not skipped where that server is demanded."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest

REQUIRED = "EI_REQUIRE_LLAMA"
"""Set to 1 where a test that needs llama.cpp must run: it then fails instead of being skipped."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns the skip of a llama test into a failure where it must run."""
    report = yield
    if report.skipped and item.get_closest_marker("llama") and os.environ.get(REQUIRED) == "1":
        report.outcome = "failed"
        report.longrepr = f"{REQUIRED}=1, and this was skipped: {report.longreprtext or report.longrepr}"
    return report


def pytest_configure() -> None:
    """Lets programs that tests start be interrupted, also where the tests run in the background, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
