"""CPU seconds per 1,000 tokens of a reply drawn as it streams, at several lengths, beside `rich.live`.

    python -m tests.benchmarks.streaming

A token is four characters. Both draw what is unfinished every TOKENS_A_DRAW tokens: 20 times a second at 100 tokens a
second. rich draws the whole text each time, so it is measured at short lengths only.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice

from ei.terminal.highlight import warm
from ei.terminal.markdown import MarkdownStream
from ei.terminal.theme import theme

WIDTH = 100
TOKENS_A_DRAW = 5

SAMPLE = """\
## What the puddle saw

Once, a **puddle** held the whole street upside down: the lamps, the *tired* tram, a woman with `keys` in her hand. It
kept them all evening, as [the story](https://example.com/puddles) goes, and gave nothing back until the wind came by
and asked, twice, in the voice that wind has for water. Nobody had asked the puddle anything before; it had to think.

1. First it thought of the tram, which is heavy and always late, and which never once looked down.
2. Then of the woman:
   - she had stopped, a moment, to look at herself looking up;
   - she had smiled, which a puddle keeps longer than other things.
3. Last of the lamps.

```python
def reflect(street: list[str], *, evening: bool = True) -> dict[str, int]:
    \"\"\"What is above, below.

    Counts what the wind took.
    \"\"\"
    counts = {name: len(name) for name in reversed(street) if name != "wind"}
    return counts if evening else {}  # the morning knows nothing
```

> And the wind said: *that is all?* 风停了，街道又回到了原来的样子。

| what  | how long | kept |
|:------|---------:|:----:|
| tram  | 3 min    | no   |
| woman | 1 evening | yes |

So it let go of the street, one lamp after another, and was only water ❤️ again, which is a lot to be.

"""


def tokens(count: int) -> Iterator[str]:
    """count tokens of four characters of the sample over and over."""
    pieces = [SAMPLE[start : start + 4] for start in range(0, len(SAMPLE), 4)]
    return islice(cycle(pieces), count)


def ours(count: int) -> float:
    """CPU seconds to draw a reply of count tokens."""
    out = io.StringIO()
    stream = MarkdownStream(WIDTH, theme(), indent=6, lead="lena")
    begin = time.process_time()
    for number, token in enumerate(tokens(count), 1):
        for row in stream.feed(token):
            out.write(row)
        if number % TOKENS_A_DRAW == 0:
            out.write("\n".join(stream.tail()))
    for row in stream.finish():
        out.write(row)
    return time.process_time() - begin


def rich_live(count: int) -> float:
    """The same with `rich.live.Live(Markdown(all))`."""
    from rich.console import Console
    from rich.live import Live
    from rich.markdown import Markdown

    console = Console(file=io.StringIO(), force_terminal=True, width=WIDTH, height=40, color_system="256")
    text = ""
    begin = time.process_time()
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for number, token in enumerate(tokens(count), 1):
            text += token
            if number % TOKENS_A_DRAW == 0:
                live.update(Markdown(text), refresh=True)
    return time.process_time() - begin


def best(run: Callable[[int], float], count: int, times: int) -> float:
    """The least of several runs, per 1,000 tokens."""
    return min(run(count) for _ in range(times)) * 1000 / count


def main() -> None:
    warm()
    ours(500)
    base = best(ours, 1000, 5)
    print(f"{'tokens':>8}  {'CPU s per 1,000':>16}  {'against 1,000':>14}")
    for count, times in ((1000, 5), (10_000, 2), (50_000, 1)):
        spent = best(ours, count, times)
        print(f"{count:>8,}  {spent:>16.4f}  {spent / base:>14.2f}")
    print("\nrich.live.Live(Markdown(all))")
    print(f"{'tokens':>8}  {'CPU s per 1,000':>16}  {'against ours':>14}")
    for count in (1000, 2000):
        spent = best(rich_live, count, 1)
        print(f"{count:>8,}  {spent:>16.4f}  {spent / best(ours, count, 2):>13.0f}x")


if __name__ == "__main__":
    main()
