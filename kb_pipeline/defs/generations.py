"""The life of generations as jobs: what `kb generations` does, from Dagster's UI.

Each is a job of one step whose config is what the command takes, and whose output metadata is what it says.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from kb_pipeline.defs.assets.embeddings import GPU_POOL, RETRIES
from kb_pipeline.defs.assets.shared import table
from kb_pipeline.defs.placement import Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.operations import generations as life
from kb_pipeline.site import Site

BUILD = "build_generation"
ACTIVATE = "activate_generation"
ROLL_BACK = "roll_back_generation"
DROP = "drop_generation"
CURVE = "dimension_curve"

COLLECTION = dg.Field(str, default_value="", description="One with a generation of its own; empty: all others.")

Result = Mapping[str, Any]


def generation_jobs(place: Placement) -> list[dg.JobDefinition]:
    return [
        _job(
            place,
            BUILD,
            "Build the generation that the settings ask for, or one of another dimension, beside the one that is "
            "searched. What a build that was ended has done is kept: run it again.",
            lambda site, given: life.build(
                site, dimension=given["dimension"] or None, collection=given["collection"] or None
            ).as_dict(),
            {
                "dimension": dg.Field(int, default_value=0, description="Serving dimension; 0: as the settings say."),
                "collection": COLLECTION,
            },
            embeds=True,
        ),
        _job(
            place,
            ACTIVATE,
            "Search a generation from now on, once it is complete and its recall was measured; in one transaction.",
            lambda site, given: life.activate(site, given["name"], force=given["force"]).as_dict(),
            {
                "name": dg.Field(str, description="Of a generation that is built or retired, such as g2."),
                "force": dg.Field(bool, default_value=False, description="Without measuring its recall."),
            },
        ),
        _job(
            place,
            ROLL_BACK,
            "Search the generation again that was searched before.",
            lambda site, given: life.rollback(site, given["collection"] or None).as_dict(),
            {"collection": COLLECTION},
        ),
        _job(
            place,
            DROP,
            "Remove a generation that is not searched, with its table.",
            lambda site, given: life.drop(site, given["name"]).as_dict(),
            {"name": dg.Field(str, description="Of a generation that is not searched, such as g1.")},
        ),
        _job(
            place,
            CURVE,
            "Measure recall, size and latency at several dimensions on a sample of this corpus.",
            lambda site, given: {
                "points": [
                    asdict(point)
                    for point in life.curve(site, rows=given["rows"], collection=given["collection"] or None)
                ]
            },
            {
                "rows": dg.Field(int, default_value=10_000, description="Passages of the sample."),
                "collection": COLLECTION,
            },
        ),
    ]


def _job(
    place: Placement,
    name: str,
    description: str,
    act: Callable[[Site, Mapping[str, Any]], Result],
    config: Mapping[str, dg.Field],
    *,
    embeds: bool = False,
) -> dg.JobDefinition:
    """`embeds`: it may need the embedding server, so it waits for its turn and tries again when that is not there."""

    @dg.op(
        name=place.name(f"{name}_step"),
        description=description,
        config_schema=dict(config),
        required_resource_keys={place.resource_key},
        pool=GPU_POOL if embeds else None,
        retry_policy=RETRIES if embeds else None,
        out=dg.Out(dg.Nothing),
    )
    def act_on_generations(context: dg.OpExecutionContext) -> None:
        retry = True if embeds else None
        with step(place, place.resource(context.resources), context.log, retry_unavailable=retry) as site:
            result = act(site, context.op_config)
            context.add_output_metadata({key: _shown(site, value) for key, value in result.items()})

    @dg.job(name=place.name(name), description=description, executor_def=dg.in_process_executor)
    def of_one_step() -> None:
        act_on_generations()

    return of_one_step


def _shown(site: Site, value: Any) -> dg.MetadataValue[Any]:
    if isinstance(value, list):
        return table(site, value)
    if isinstance(value, Mapping):
        return dg.MetadataValue.json(dict(value))
    return dg.MetadataValue.text("none" if value is None else str(value))
