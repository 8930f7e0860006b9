"""Writing settings.jsonc: one change at a time, checked before it is kept, comments and order left alone."""

from __future__ import annotations

from collections.abc import Callable

from ei import jsonc
from ei.config import ConfigFile
from ei.settings import check, settings_text


def change_settings(config: ConfigFile, edit: Callable[[str], str]) -> None:
    """Applies edit to the text of settings.jsonc; where there is none, to a complete one with every key as a comment.

    edit may be called several times. Raises FileSyntaxError, ConfigError where the file cannot be read, where what
    edit made of it fits no setting, or where it cannot be written; then the file is as it was.
    """
    path = config.paths.settings

    def fits(data: object) -> None:
        if isinstance(data, dict):
            check(data, path)

    with jsonc.file_errors(path.parent, "made"):
        path.parent.mkdir(parents=True, exist_ok=True)
    jsonc.update(path, lambda old: edit(old or written_out(config)), fits)


def set_setting(config: ConfigFile, keys: jsonc.KeyPath, value: object) -> None:
    """Sets one value; raises as `change_settings`."""
    change_settings(config, lambda text: jsonc.set_value(text, keys, value, str(config.paths.settings)))


def written_out(config: ConfigFile) -> str:
    """A settings.jsonc in which nothing is set yet, with every key explained."""
    return settings_text((config.paths.schemas / "settings.schema.json").as_uri())
