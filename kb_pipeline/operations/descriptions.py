"""What is said of one file beside its text, looked up where it lies and without the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kb_pipeline.errors import DocumentError
from kb_pipeline.fields.groups import Readers, closed, readers
from kb_pipeline.fields.layers import Layer, decide, folders_of
from kb_pipeline.fields.sidecars import LARGEST_MANIFEST, About, read_manifest
from kb_pipeline.fields.values import Given, plain_given
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.settings import Settings, SourceSettings
from kb_pipeline.source.listing import Entry, canonical_uri, collection_of, is_local, read_start
from kb_pipeline.source.patterns import layers_of_path
from kb_pipeline.stages.fields import rules_of
from kb_pipeline.stages.sidecar_reading import Refusal, masked_given, said_together
from kb_pipeline.stages.sidecars import Sidecar

ENDINGS = ("yaml", "yml", "json")


@dataclass(frozen=True, slots=True)
class Described:
    """`fields`: name -> value and origin of those that are declared; `given`: what is said at all, place by place;
    `readers`: who may read it; `complaints`: what is wrong with sidecars and manifests."""

    fields: Mapping[str, Mapping[str, Any]]
    given: tuple[Layer, ...]
    readers: Readers
    complaints: tuple[str, ...]


def describe_file(file: Path, settings: Settings, maskers: Maskers, metadata: Mapping[str, Any]) -> Described:
    """What sidecars, manifests and patterns say of `file`, and it itself by its masked `metadata`.

    Outside the sources of kb.toml, only what lies beside it is looked at.
    """
    own, path = _place(file.absolute(), settings)
    masker = maskers.of(collection_of(path))
    layers: list[tuple[str, Given, Masker]] = []
    complaints: list[str] = []
    for about in (About("document", path), *(About("folder", folder) for folder in folders_of(path))):
        start = f"{about.path}.meta" if about.kind == "document" else f"{about.path}_meta"
        names = [f"{start}.{ending}" for ending in ENDINGS if Path(own.uri, f"{start}.{ending}").is_file()]
        if names:
            sidecar = Sidecar(about, tuple(Entry(name, 0, None, None) for name in names), "")
            said = said_together(partial(read_start, own.uri), settings.fields, sidecar)
            origin = " and ".join(names)
            if isinstance(said, Refusal):
                complaints.append(f"{origin}: {said.error}")
                layers += [(origin, closed({}), masker)] if said.closes else []
            else:
                layers.append((origin, said, masker if about.path else maskers.strictest))
    for manifest in own.manifests:
        try:
            row = read_manifest(read_start(own.uri, manifest, LARGEST_MANIFEST + 1)).get(path)
        except DocumentError as error:
            complaints.append(f"{manifest}: {error}")
            layers.append((manifest, closed({}), masker))
        else:
            layers += [(manifest, row.given, masker)] if row else []
    masked = masked_given([(own_masker, said) for _, said, own_masker in layers])
    (stored,) = maskers.of(collection_of(path)).mask_paths([path])
    found = [Layer(origin, said) for (origin, _, _), said in zip(layers, masked, strict=True)]
    found += layers_of_path(stored, own.patterns)
    who = readers(found + rules_of(stored, settings))
    found.append(Layer("the file itself", plain_given(metadata)))
    decided = decide(found, settings.fields)
    shown = {name: {"value": field.value, "origin": field.origin} for name, field in decided.items()}
    sentences = tuple(masker.mask(sentence).text for sentence in complaints)
    return Described(shown, tuple(found), who, sentences)


def _place(file: Path, settings: Settings) -> tuple[SourceSettings, str]:
    """The source that holds `file`, or its folder, and the path in it."""
    for source in settings.sources:
        uri = canonical_uri(source.uri)
        if is_local(uri) and file.is_relative_to(uri):
            return source.model_copy(update={"uri": uri}), file.relative_to(uri).as_posix()
    return SourceSettings(uri=str(file.parent)), file.name
