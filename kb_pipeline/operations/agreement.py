"""Whether the settings still ask for the generation that is searched.

A generation keeps its model, dimension and instructions for good; other settings have no effect until
`kb generations build` made one for them. Commands say so, naming both, instead of passing over it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.embedding.models import profile_for, require_dimension, same_model
from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site
from kb_pipeline.store import generations
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import WIDEST_DEFAULT, Generation
from kb_pipeline.terminal.output import one_line

if TYPE_CHECKING:
    from kb_pipeline.embedding.client import ModelIdentity

SHOWN_CHARACTERS = 60  # of an instruction


def disagreements(site: Site, connection: Connection, *, ask: bool = True) -> list[str]:
    """A sentence for each generation that is searched and not what the settings ask for; starts no server.

    `ask`: a server that is elsewhere which model it has, where it was not asked yet.
    """
    settings = site.settings
    active = {generation.collection: generation for generation in generations.active_generations(connection)}
    found = [
        difference(generation, settings.for_generation(collection), site.model_now(ask=ask, collection=collection))
        for collection, generation in active.items()
        if collection is None or collection in settings.own_generations
    ]
    shared = active.get(None)
    for collection in settings.own_generations:
        if shared is not None and collection not in active and generations.is_shared(connection, collection):
            model = site.model_now(ask=ask, collection=collection)
            found.append(difference(shared, settings.for_generation(collection), model, collection))
    found += [
        f"The settings ask for no generation of its own for {collection}, but {generation.name} serves it; run kb "
        f"generations rollback --collection {collection}, or set back what they asked for."
        for collection, generation in active.items()
        if collection is not None and collection not in settings.own_generations
    ]
    return [sentence for sentence in found if sentence]


def require_possible(site: Site, connection: Connection) -> None:
    """Ask the server, before anything is made, whether its model has the dimension of a first generation.

    Raises SettingsError when it has not, EmbeddingServerUnavailable.
    """
    if site.settings.dimension is not None and generations.active_generation(connection) is None:
        from kb_pipeline.stages.embeddings import site_key  # brings the client, which searches may not need

        site_key(site)


def difference(
    active: Generation, settings: Settings, model: ModelIdentity | str | None, collection: str | None = None
) -> str | None:
    """`model`: that embeds now, as far as is known. `collection`: whose own settings they are, where `active` serves it
    together with others."""
    own = collection or active.collection
    if impossible := _impossible(active, settings, model, own):
        return impossible
    found = [*_model(active, model), *_dimension(active, settings, model, own)]
    if collection is None:  # an instruction alone needs no generation of its own: documents carry none
        found += _instructions(active, settings)
    if not found:
        return None
    wanted = _other_dimension(active, settings, model)
    option = f" --collection {own}" if own else f" --dimension {wanted}" if wanted else ""
    of = f" for the collection {own}" if own else ""
    return (
        f"The settings ask for {' and '.join(asked for asked, _ in found)}{of}, but generation {active.name}, which is "
        f"searched, has {' and '.join(has for _, has in found)}; run kb generations build{option}, or set that back."
    )


def _impossible(
    active: Generation, settings: Settings, model: ModelIdentity | str | None, collection: str | None
) -> str | None:
    """Of a dimension that the model has not, whose own is known where it was asked or made the active generation."""
    if model is None or (isinstance(model, str) and _model(active, model)):
        return None
    native = active.native_dimension if isinstance(model, str) else model.native_dimension
    try:
        require_dimension(model if isinstance(model, str) else model.name, native, settings.dimension, collection)
    except SettingsError as error:
        return str(error)
    return None


def _model(active: Generation, model: ModelIdentity | str | None) -> list[tuple[str, str]]:
    if model is None:
        return []
    name = model if isinstance(model, str) else model.name
    if not same_model(name, active.model):
        return [(f"the model {name}", active.model)]
    if not isinstance(model, str) and model.fingerprint != active.model_fingerprint:
        revision = f" at revision {model.revision}" if model.revision else ""
        return [(f"{name}{revision}", "other weights of that model")]
    return []


def _dimension(
    active: Generation, settings: Settings, model: ModelIdentity | str | None, collection: str | None
) -> list[tuple[str, str]]:
    wanted = _other_dimension(active, settings, model)
    setting = "" if collection else " (KB_DIMENSION)"
    return [(f"{wanted} dimensions{setting}", f"{active.dimension}")] if wanted else []


def _other_dimension(active: Generation, settings: Settings, model: ModelIdentity | str | None) -> int | None:
    """The dimension that the settings ask for where it is not the active one."""
    wanted = settings.dimension
    if wanted is None:
        if _model(active, model):
            return None  # it follows the model
        wanted = min(active.native_dimension, WIDEST_DEFAULT)
    return None if wanted == active.dimension else wanted


def _instructions(active: Generation, settings: Settings) -> list[tuple[str, str]]:
    if not profile_for(active.model).takes_instruction:
        return []
    own = {
        name: collection.query_instruction
        for name, collection in settings.collections.items()
        if collection.query_instruction is not None
    }
    asked = {"": settings.query_instruction} | own
    has = {"": active.query_instruction} | active.collection_instructions
    different = sorted(name for name in asked.keys() | has.keys() if asked.get(name) != has.get(name))
    return [(_instruction(name, asked.get(name)), _instruction(name, has.get(name))) for name in different]


def _instruction(collection: str, text: str | None) -> str:
    where = f" of {collection}" if collection else ""
    return f'the instruction{where} "{one_line(text, SHOWN_CHARACTERS)}"' if text else f"no instruction{where}"
