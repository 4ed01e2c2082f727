"""The names of settings, in kb.toml and as variables; a name that is none is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel

from kb_pipeline.errors import SettingsError

PREFIX = "KB_"
# Names the settings file, so it cannot stand in one; like every variable of ours it begins with the prefix.
CONFIG_VARIABLE = "KB_CONFIG"


def variable_of(name: str) -> str:
    """The variable of a setting whose name in kb.toml is `name`, with a dot before each key of a table."""
    return PREFIX + re.sub(r"\W", "_", name.replace(".", "__")).upper()


def is_no_setting(name: str, known: Iterable[str], remedy: str = "remove it") -> str:
    """The rest of a sentence about a name that is none of `known`, with the one that may be meant."""
    close = get_close_matches(name, known, n=1)
    return f"{name}, which is no setting; {f'write {close[0]} if that is meant, or ' if close else ''}{remedy}."


def refuse_unknown_variables(names: Iterable[str], settings: type[BaseModel], remedy: str) -> None:
    """Raises SettingsError when one of these variables begins like ours and is none."""
    known = {CONFIG_VARIABLE: False, **dict(_variables(settings, PREFIX))}
    open_ended = tuple(f"{name}__" for name, may_go_on in known.items() if may_go_on)
    for name in sorted(map(str.upper, names)):
        if name.startswith(PREFIX) and name not in known and not name.startswith(open_ended):
            raise SettingsError(f"The environment holds {is_no_setting(name, known, remedy)}")


def _variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, bool]]:
    """Every variable that sets something of `model`, and whether names of any kind may follow two underscores."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        yield variable, get_origin(field.annotation) is dict
        if _is_model(field.annotation):
            yield from _variables(field.annotation, f"{variable}__")


def names_beside(location: Sequence[int | str], settings: type[BaseModel]) -> list[str]:
    """The full names of the settings that there are in the table of an unknown one."""
    model = settings
    path = iter(location[:-1])
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        if get_origin(annotation) in (dict, tuple):
            next(path, None)  # the key of a table of tables, or the place in a list
        model = next(one for one in (annotation, *get_args(annotation)) if _is_model(one))
    table = "".join(f"{part}." for part in location[:-1])
    return [f"{table}{name}" for name in model.model_fields]


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
