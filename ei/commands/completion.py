"""Completion scripts for bash, zsh and fish, made from the commands' own usage lines.

A script carries everything that is known beforehand and finds the personas' folders itself: starting ei at every
Tab would be felt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ei.commands.base import Command
from ei.commands.shell import OF_COMMANDS, OPTIONS, OWN, SHELLS
from ei.commands.table import all_commands
from ei.errors import UsageError
from ei.settings import SETTINGS

PERSONAS, FILES = "<personas>", "<files>"
"""Stand for what the shell looks up itself."""

TAKES = ("-p", "--persona", "-m", "--model", "-f", "--file", "--resume")
"""Options of `ei` whose next word is their value."""


@dataclass
class Words:
    """What can be typed after `ei COMMAND`, each word with its meaning.

    after: by the word before it (the command's name, one of its words, an option); anywhere: after any other word.
    """

    after: dict[str, dict[str, str]] = field(default_factory=dict)
    anywhere: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


def completion_script(shell: str) -> str:
    """The script for that shell. Raises UsageError for another one."""
    if shell not in SHELLS:
        raise UsageError(
            f"There is no completion for {shell or 'no shell'}.", "Write: ei completion bash, zsh or fish."
        )
    return {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}[shell](vocabulary())


def vocabulary() -> dict[str, Words]:
    """What can be completed after each `ei COMMAND`; "" is what follows `ei` itself."""
    commands = [command for command in all_commands() if command.shell]
    names = dict(OWN) | {command.name: command.summary for command in commands}
    general = options_of(OPTIONS)
    out = {
        "": Words({"": names}, {}, general),
        "ask": Words(options={word: meaning for word, meaning in general.items() if word != "--version"}),
        "completion": Words({"completion": dict.fromkeys(SHELLS, "")}),
        "help": Words({"help": names}),
    }
    return out | {command.name: words_of(command) for command in commands}


def options_of(options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each form of each option with its meaning."""
    return {word: meaning for forms, meaning in options for word in forms.replace(",", "").split() if word[0] == "-"}


def words_of(command: Command) -> Words:
    """What a command's usage lines ("persona edit [NAME]  open its file") say can be typed."""
    words = Words(options=options_of(OF_COMMANDS))
    for usage in command.usage:
        form, _, meaning = usage.partition("  ")
        before = command.name
        for token in form.split()[1:]:
            bare = token.strip("[]")
            if bare == "--":
                break  # a text follows
            if bare.startswith("-"):
                words.options.setdefault(bare, meaning if before == command.name else "")
            elif before not in TAKES and (found := expanded(bare, before, meaning if before == command.name else "")):
                # What is optional may be left out, so it can stand where the next one stands as well.
                place = words.anywhere if token.startswith("[") and before == command.name else None
                (words.after.setdefault(before, {}) if place is None else place).update(found)
            if bare == "KEY":
                words.after |= setting_values()
            if not (token.startswith("[") and before == command.name) or bare.startswith("-"):
                before = bare
    return words


def expanded(token: str, before: str, meaning: str = "") -> dict[str, str]:
    """The words that a token of a usage line stands for."""
    if token == "NAME":
        return {} if before == "new" else {PERSONAS: ""}
    if token == "FILE":
        return {FILES: ""}
    if token == "SPEC":
        return model_examples()
    if token == "PROVIDER":
        return {reference.partition(":")[0]: label for reference, label in model_examples().items()}
    if token == "KEY":
        return {key: setting.meaning for key, setting in SETTINGS.items()}
    return dict.fromkeys(token.split("|"), meaning) if re.fullmatch("[a-z][a-z|-]*", token) else {}


def model_examples() -> dict[str, str]:
    """A reference for each provider, as a beginning."""
    from ei.providers.endpoints import ENDPOINTS

    return {f"{endpoint.name}:{endpoint.example}": endpoint.label for endpoint in ENDPOINTS if endpoint.example}


def setting_values() -> dict[str, dict[str, str]]:
    """The values that a setting can have, where they can be counted."""
    out: dict[str, dict[str, str]] = {}
    for key, setting in SETTINGS.items():
        if setting.kind == "reference":
            out[key] = model_examples()
        elif values := setting.choices or (("true", "false") if setting.kind == "flag" else ()):
            out[key] = dict.fromkeys(values, "")
    return out


def keyed_options(words: Words) -> list[str]:
    """Options of a command after which something else is completed than after a word."""
    return [word for word in words.after if word.startswith("-") and word not in TAKES]


# The scripts. Each finds out which command the line has, which word stands before the one that is typed (flags and
# options with their values aside), and whether that one is the value of an option.


def bash_script(vocabulary: Mapping[str, Words]) -> str:
    cases: list[str] = []
    for command, words in vocabulary.items():
        for before, known in words.after.items():
            cases.append(f"    '{command} {before}') {_bash_list({**known, **words.anywhere})} ;;")
        if words.anywhere:
            cases.append(f"    '{command} '*) {_bash_list(words.anywhere)} ;;")
    options = [f"    '{command}') list='{' '.join(words.options)}' ;;" for command, words in vocabulary.items()]
    return f"""_ei_personas() {{
  local data=${{EI_DATA_PATH:-${{XDG_DATA_HOME:-$HOME/.local/share}}/ei}} folder
  data=${{data/#\\~/$HOME}}
  [[ -d $data || ! -d "$HOME/Library/Application Support/ei" ]] || data="$HOME/Library/Application Support/ei"
  for folder in "$data"/personas/*/; do
    folder=${{folder%/}}
    [[ -f $folder/system.jsonc ]] && printf '%s\\n' "${{folder##*/}}"
  done
}}
_ei() {{
  local IFS=$' \\t\\n' typed word part command= before= option= list= files= personas=
  local models='{" ".join(model_examples())}'
  # COMP_WORDS is split at : and =, which are parts of our words: the line is taken apart anew.
  local line=${{COMP_LINE:0:COMP_POINT}}
  read -r -a typed <<< "$line"
  [[ $line == *[[:space:]] ]] && typed+=('')
  word=${{typed[${{#typed[@]}}-1]}}
  unset "typed[${{#typed[@]}}-1]"
  for part in "${{typed[@]:1}}"; do
    if [[ -n $option ]]; then option=; continue; fi
    case $part in
      {"|".join(TAKES)}) option=$part ;;
      {_keyed(vocabulary)}) before=$part ;;
      -*) ;;
      *) before=$part; [[ -n $command ]] || command=$part ;;
    esac
  done
  case $word in --*=*) option=${{word%%=*}} word=${{word#*=}} ;; esac
  case $option in
    -p|--persona) personas=1 ;;
    -f|--file) files=1 ;;
    -m|--model) list=$models ;;
    -*) ;;
    *) if [[ $word == -* ]]; then
    case $command in
{chr(10).join(options)}
    esac; else
    case "$command $before" in
{chr(10).join(cases)}
    esac; fi ;;
  esac
  list=${{list// /$'\\n'}}
  [[ -n $personas ]] && list+=$'\\n'$(_ei_personas)
  IFS=$'\\n'
  COMPREPLY=($(compgen -W "$list" -- "$word"))
  if [[ -n $files ]]; then
    COMPREPLY+=($(compgen -f -- "$word"))
    compopt -o filenames 2> /dev/null
  elif [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("${{COMPREPLY[@]#"${{word%"${{word##*:}}"}}"}}")
  fi
}}
complete -F _ei ei
"""


def _keyed(vocabulary: Mapping[str, Words]) -> str:
    return "|".join(dict.fromkeys(option for words in vocabulary.values() for option in keyed_options(words)))


def _bash_list(known: Mapping[str, str]) -> str:
    examples = model_examples()
    plain = [word for word in known if word not in (PERSONAS, FILES) and word not in examples]
    models = "$models" if any(word in examples for word in known) else ""
    # Two spaces would be an empty word.
    listed = " ".join(part for part in (models, *plain) if part)
    return f'list="{listed}"' + " personas=1" * (PERSONAS in known) + " files=1" * (FILES in known)


def zsh_script(vocabulary: Mapping[str, Words]) -> str:
    cases: list[str] = []
    for command, words in vocabulary.items():
        for before, known in words.after.items():
            cases.append(f"    '{command} {before}') {_zsh_list({**known, **words.anywhere})} ;;")
        if words.anywhere:
            cases.append(f"    '{command} '*) {_zsh_list(words.anywhere)} ;;")
    options = [f"    '{command}') list=({_zsh_words(words.options)}) ;;" for command, words in vocabulary.items()]
    return f"""#compdef ei
_ei_personas() {{
  local data=${{EI_DATA_PATH:-${{XDG_DATA_HOME:-$HOME/.local/share}}/ei}}
  data=${{data/#\\~/$HOME}}
  [[ -d $data || ! -d "$HOME/Library/Application Support/ei" ]] || data="$HOME/Library/Application Support/ei"
  compadd -- $data/personas/*/system.jsonc(N:h:t)
}}
_ei() {{
  local part command= before= option=
  local -a list models
  models=({_zsh_words(model_examples())})
  for part in "${{(@)words[2,CURRENT-1]}}"; do
    if [[ -n $option ]]; then option=; continue; fi
    case $part in
      {"|".join(TAKES)}) option=$part ;;
      {_keyed(vocabulary)}) before=$part ;;
      -*) ;;
      *) before=$part; [[ -n $command ]] || command=$part ;;
    esac
  done
  if [[ $PREFIX == --*=* ]]; then option=${{PREFIX%%=*}}; compset -P '*='; fi
  case $option in
    -p|--persona) _ei_personas ;;
    -f|--file) _files ;;
    -m|--model) list=($models) ;;
    -*) ;;
    *) if [[ $PREFIX == -* ]]; then
    case $command in
{chr(10).join(options)}
    esac; else
    case "$command $before" in
{chr(10).join(cases)}
    esac; fi ;;
  esac
  (( $#list )) && _describe -t words word list
}}
if [[ $funcstack[1] == _ei ]]; then _ei "$@"; else compdef _ei ei; fi
"""


def _zsh_list(known: Mapping[str, str]) -> str:
    examples = model_examples()
    plain = {word: known[word] for word in known if word not in (PERSONAS, FILES) and word not in examples}
    models = ["$models"] if any(word in examples for word in known) else []
    listed = " ".join([*models, _zsh_words(plain)])
    return f"list=({listed})" + "; _ei_personas" * (PERSONAS in known) + "; _files" * (FILES in known)


def _zsh_words(known: Mapping[str, str]) -> str:
    escaped = {word: word.replace(":", "\\:") for word in known}
    return " ".join(
        _quoted(f"{escaped[word]}:{meaning}" if meaning else escaped[word]) for word, meaning in known.items()
    )


def fish_script(vocabulary: Mapping[str, Words]) -> str:
    lines = [
        "function __ei_personas",
        "    set -l data $EI_DATA_PATH",
        '    test -n "$data"; or set data "$XDG_DATA_HOME/ei"',
        '    test "$data" != /ei; or set data $HOME/.local/share/ei',
        "    set data (string replace -r '^~' $HOME -- $data)",
        '    test -d "$data"; or set data "$HOME/Library/Application Support/ei"',
        "    for file in $data/personas/*/system.jsonc; basename (dirname $file); end",
        "end",
        "# Whether the line has this command and, where it is given, this word before the one that is typed.",
        "function __ei_at",
        "    set -l command ''",
        "    set -l before ''",
        "    set -l option ''",
        "    set -l typed (commandline -opc)",
        "    for part in $typed[2..-1]",
        '        if test -n "$option"',
        "            set option ''",
        "            continue",
        "        end",
        "        switch $part",
        f"            case {' '.join(TAKES)}",
        "                set option $part",
        f"            case {_keyed(vocabulary).replace('|', ' ')}",
        "                set before $part",
        "            case '-*'",
        "            case '*'",
        "                set before $part",
        '                test -n "$command"; or set command $part',
        "        end",
        "    end",
        '    test "$command" = "$argv[1]"; or return 1',
        '    test (count $argv) -eq 1; or test "$before" = "$argv[2]"',
        "end",
        "complete -c ei -f",
    ]
    for forms, meaning in OPTIONS:
        words = forms.replace(",", "").split()
        flags = [f"-s {w[1:]}" for w in words if re.fullmatch("-[a-z]", w)]
        flags += [f"-l {w[2:]}" for w in words if w.startswith("--")]
        where = [name for name, known in vocabulary.items() if any(word in known.options for word in words)]
        condition = "; or ".join(f"__ei_at {_fish_quoted(name)}" for name in where)
        about = f" -n {_fish_quoted(condition)}" if len(where) < len(vocabulary) - 2 else ""
        lines.append(f"complete -c ei{about} {' '.join(flags)}{_fish_value(forms)} -d {_fish_quoted(meaning)}")
    general = options_of(OPTIONS)
    for command, known in vocabulary.items():
        at = f"__ei_at {_fish_quoted(command)}"
        for before, following in known.after.items():
            lines += [_fish_word(f"{at} {_fish_quoted(before)}", *pair) for pair in following.items()]
        own = {word: meaning for word, meaning in known.options.items() if word not in general}
        lines += [_fish_word(at, *pair) for pair in {**known.anywhere, **own}.items()]
    return "\n".join(lines) + "\n"


def _fish_value(forms: str) -> str:
    if "NAME" in forms:
        return " -x -a '(__ei_personas)'"
    if "SPEC" in forms:
        return f" -x -a '{' '.join(model_examples())}'"
    if "FILE" in forms:
        return " -r -F"
    return " -x" if "ID" in forms else ""


def _fish_word(where: str, word: str, meaning: str) -> str:
    at = f"complete -c ei -n {_fish_quoted(where)}"
    if word == PERSONAS:
        return f"{at} -a '(__ei_personas)'"
    if word == FILES:
        return f"{at} -F"
    told = f" -d {_fish_quoted(meaning)}" if meaning else ""
    return f"{at} -l {word[2:]}{told}" if word.startswith("--") else f"{at} -a {_fish_quoted(word)}{told}"


def _quoted(text: str) -> str:
    """In single quotes, for zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
