"""Every setting as one value: its key, default, what it means; the file, its checks and its schema come from these.

keys      references to keys
values    what a setting is
table     all of them
checking  what is wrong with a settings.jsonc
writing   a settings.jsonc with everything explained, and its JSON Schema
"""

from ei.settings.checking import check
from ei.settings.table import OF_A_PROFILE, OF_A_PROVIDER, SETTINGS
from ei.settings.values import Setting
from ei.settings.writing import settings_schema, settings_text

__all__ = ["OF_A_PROFILE", "OF_A_PROVIDER", "SETTINGS", "Setting", "check", "settings_schema", "settings_text"]
