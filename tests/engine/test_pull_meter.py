"""Bytes, speed and time left of a download, from what a server tells line by line."""

from __future__ import annotations

import pytest

from ei.engine.pull_meter import PullMeter, PullProgress


def test_nothing_is_known_before_the_first_size() -> None:
    progress = PullMeter().take(0.0, "pulling manifest")
    assert progress == PullProgress("pulling manifest")
    assert progress.percent is None


def test_layers_add_up_and_a_line_without_completed_counts_nothing() -> None:
    meter = PullMeter()
    assert meter.take(0.0, "pulling a", "a", 900) == PullProgress("pulling a", 900, 0)
    assert meter.take(0.1, "pulling a", "a", 900, 300).completed == 300
    assert meter.take(0.2, "pulling a", "a", 900).completed == 300
    progress = meter.take(0.3, "pulling b", "b", 100, 0)
    assert (progress.total, progress.completed, progress.percent, progress.missing) == (1000, 300, 30, 700)
    assert meter.take(0.4, "success").completed == 300


def test_speed_and_time_left_are_those_of_the_last_seconds() -> None:
    meter = PullMeter()
    meter.take(0.0, "", "a", 10_000, 0)
    assert meter.take(0.2, "", "a", 10_000, 200).speed is None
    progress = meter.take(1.0, "", "a", 10_000, 1000)
    assert (progress.speed, progress.seconds_left) == (1000.0, 9.0)
    for second in range(2, 20):
        progress = meter.take(float(second), "", "a", 10_000, 1000 + 100 * (second - 1))
    assert progress.speed == pytest.approx(100.0)
    assert progress.seconds_left == pytest.approx((10_000 - 2800) / 100)


def test_what_an_earlier_pull_brought_is_no_speed_of_this_one() -> None:
    meter = PullMeter()
    meter.take(0.0, "pulling manifest")
    meter.take(1.0, "", "a", 10_000)
    meter.take(1.1, "", "a", 10_000, 6000)
    progress = meter.take(2.0, "", "a", 10_000, 7000)
    assert (progress.completed, progress.speed) == (7000, 500.0)
    progress = meter.take(2.5, "", "b", 500, 500)
    assert progress.speed == 400.0


def test_a_server_that_counts_backwards_or_beyond_is_not_believed_further_than_it_makes_sense() -> None:
    meter = PullMeter()
    meter.take(0.0, "", "a", 1000, 500)
    progress = meter.take(1.0, "", "a", 1000, 200)
    assert (progress.completed, progress.speed, progress.seconds_left) == (200, 0.0, None)
    assert meter.take(2.0, "", "a", 1000, 5000).percent == 100
    assert meter.take(3.0, "", "b", -5, 7).total == 1000
