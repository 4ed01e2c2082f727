"""Readers that a site names instead of our own: `[collections.NAME.readers] pdf = "unstructured"`.

Term
  choice   for some formats, what a collection wants to read them: the name of a reader, and behind a colon what it
           is told, as in "unstructured:hi_res".

The readers named here come as extras. Others register in the entry point group `kb_pipeline.readers`: a function
that takes a `readers.File` and gives a `parsed.ParsedDocument`; one that takes `option` too may be told something.
They run in the same processes, with the same limits, cleaning and masking as ours.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module

from kb_pipeline.errors import SettingsError
from kb_pipeline.parsing.formats import Format
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.readers import Reader

GROUP = "kb_pipeline.readers"

Choice = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Extra:
    """A reader of ours for a library that is not always installed. `modules`: what the extra brings."""

    function: str
    package: str
    modules: tuple[str, ...]


_EXTRAS = {
    "docling": _Extra("kb_pipeline.parsing.adapters.docling:read", "docling", ("docling.document_converter",)),
    "unstructured": _Extra(
        "kb_pipeline.parsing.adapters.unstructured:read", "unstructured", ("unstructured", "unstructured_inference")
    ),
}


def check_choice(choice: Choice) -> None:
    """Raises SettingsError for a format that is none, a reader that nobody registered, or an extra not installed."""
    for name, wanted in choice.items():
        if name not in {kind.value for kind in Format}:
            known = ", ".join(kind.value for kind in Format)
            raise SettingsError(f"readers names the format {name}, which is none; write one of {known}.")
        _check_reader(_name(wanted))


def chosen_reader(wanted: str) -> Reader:
    """The reader that a choice means. Raises SettingsError as `check_choice` does."""
    name, _, option = wanted.partition(":")
    _check_reader(name)
    extra = _EXTRAS.get(name)
    if extra is None:
        reader: Callable[..., ParsedDocument] = _registered()[name].load()
    else:
        module, _, function = extra.function.partition(":")
        reader = getattr(import_module(module), function)
    if not option:
        return reader
    if "option" not in inspect.signature(reader).parameters:
        raise SettingsError(f'The reader {name} takes nothing behind a colon; write "{name}" in readers.')
    return lambda file: reader(file, option=option)


def choice_identity(choice: Choice) -> dict[str, str]:
    """What decides how the chosen readers read: their names, what they are told, and the versions of their packages."""
    return {name: f"{wanted} {_version(_name(wanted))}" for name, wanted in sorted(choice.items())}


def _name(wanted: str) -> str:
    return wanted.partition(":")[0]


def _check_reader(name: str) -> None:
    extra = _EXTRAS.get(name)
    if extra is None:
        registered = _registered()
        if name not in registered:
            known = ", ".join(sorted({*_EXTRAS, *registered}))
            raise SettingsError(f"readers names the reader {name}, which is not installed; there are {known}.")
    elif not _are_there(extra.modules):
        raise SettingsError(f"The reader {name} is not installed; install kb_pipeline[{name}].")


def _are_there(modules: Iterable[str]) -> bool:
    try:
        return all(importlib.util.find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:
        return False


def _registered() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def _version(name: str) -> str:
    """Of the package that a reader comes from; empty where it is not installed."""
    if name in _EXTRAS:
        try:
            return importlib.metadata.version(_EXTRAS[name].package)
        except importlib.metadata.PackageNotFoundError:
            return ""
    point = _registered().get(name)
    return point.dist.version if point is not None and point.dist is not None else ""
