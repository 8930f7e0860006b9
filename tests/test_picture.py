"""The README's picture can be made again, and shows nothing of the machine that made it."""

from __future__ import annotations

import socket
import xml.etree.ElementTree as ET
from pathlib import Path

from tests import picture
from tests.wire import WireServer

HERE = Path(__file__).parent


def test_the_scene_still_plays_and_makes_a_picture(tmp_path: Path) -> None:
    made = tmp_path / "picture.svg"
    with WireServer() as server:
        picture.draw(made, tmp_path, server)
    shown = "".join(ET.parse(made).getroot().itertext())
    for text in ("lena ●1", "Model for mike set to: local:google/gemma-3-12b", "mike ❯", "twenty-ninth"):
        assert text in shown


def test_the_picture_names_no_folder_and_no_machine() -> None:
    shown = (HERE / "picture.svg").read_text("utf-8")
    ET.fromstring(shown)
    for text in (str(HERE.parent), "127.0.0.1", "/home", "/tmp", f">{socket.gethostname()}"):
        assert text not in shown


def test_the_readme_shows_the_picture() -> None:
    assert "(tests/picture.svg)" in (HERE.parent / "README.md").read_text("utf-8")
