"""The knowledge base as a Dagster resource: what every asset, check and sensor works with.

Its life in a run: *open* when the first step that needs it starts (an embedded PostgreSQL is started,
the schema is brought up to date), *reach* for the embedding server when a step first embeds, *close*
when the step ends. The servers themselves outlive the run: they are shared by all runs.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import dagster as dg
from pydantic import Field

from kb_pipeline.defs.placement import Placement
from kb_pipeline.defs.runs import signature
from kb_pipeline.errors import EmbeddingServerUnavailable, KbError
from kb_pipeline.progress import LogLines, is_heard, listening
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site, open_site
from kb_pipeline.store.database import database_errors
from kb_pipeline.terminal.interrupts import raise_noted


class KnowledgeBaseResource(dg.ConfigurableResource[None]):
    """The site that the KB_* settings describe; its database URL may hold a password and is shown nowhere.

    What is empty here is as the settings say. For one run the launchpad can say otherwise, for example to embed at
    another server of the same model. A server of this machine is attached to or launched when a step first embeds, and
    outlives the run; the flags of SGLang are in the KB_SGLANG__* settings.
    """

    embedding_url: str | None = Field(
        default=None,
        description="Base URL of the embedding server, such as http://gpu-host:30000/v1, or several with commas.",
    )
    embedding_model: str | None = Field(
        default=None, description="The model to serve (CPU server) or to insist on (URL)."
    )
    sglang_model: str | None = Field(
        default=None, description="Local folder or hub name of the model that SGLang serves on this machine's GPU."
    )
    sglang_launch: bool | None = Field(
        default=None, description="Whether a run may launch this machine's SGLang when it does not run."
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Sign the run with its process, so that its end can be noticed however it ends."""
        if context.run is not None and context.instance is not None:
            context.instance.add_run_tags(context.run.run_id, signature())

    def applied_to(self, settings: Settings) -> Settings:
        """`settings` with what was chosen here."""
        of_sglang = {"model": self.sglang_model, "launch": self.sglang_launch}
        chosen = {"embedding_url": self.embedding_url, "embedding_model": self.embedding_model}
        sglang = settings.sglang.model_copy(
            update={name: value for name, value in of_sglang.items() if value is not None}
        )
        given = {name: value for name, value in chosen.items() if value is not None}
        return settings.model_copy(update={**given, "sglang": sglang})


INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)


@contextmanager
def step(
    place: Placement, resource: KnowledgeBaseResource, log: logging.Logger, *, retry_unavailable: bool | None = None
) -> Iterator[Site]:
    """One step's use of the knowledge base: progress lines in its log, and failures as one sentence.

    `retry_unavailable`: of a step that has a retry policy, whether it may try again when the embedding server is not
    there. Dagster would also try again, after a wait, what a person interrupted.

    Dagster stores an exception with its message and those of its causes, and the messages of libraries may
    quote document text (PostgreSQL shows the row that it refused). So the dg.Failure shows no cause, only
    what kind it was and where; a caller in the same process finds the error itself as its `__context__`.
    """
    try:
        raise_noted()
        # A command that runs the job in its own process shows progress its own way.
        heard = nullcontext() if is_heard() else listening(LogLines(log.info))
        with heard, database_errors(), open_site(resource.applied_to(place.read_settings())) as site:
            yield site
    except KbError as error:
        retry = bool(retry_unavailable) and isinstance(error, EmbeddingServerUnavailable)
        raise dg.Failure(description=str(error), allow_retries=retry) from None
    except INTERRUPTS:
        if retry_unavailable is None:
            raise
        raise dg.Failure(description="Interrupted; what was committed stays.", allow_retries=False) from None
    except dg.DagsterError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its message may hold document text
        raise dg.Failure(
            description=f"Something unexpected went wrong ({type(error).__name__}); nothing that was committed is "
            "lost. Run kb ingest --debug on this machine to see all of it, and report it.",
            metadata={"where": dg.MetadataValue.md(_where(error))},
            allow_retries=False,
        ) from None


def _where(error: Exception) -> str:
    """The frames that led to `error`: lines of code, no values."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"* {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
