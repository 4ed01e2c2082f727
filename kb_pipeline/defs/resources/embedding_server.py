"""The embedding server, which is where the GPU is, as a Dagster resource."""

import dagster as dg
from pydantic import Field

from kb_pipeline.settings import Settings


class EmbeddingServerResource(dg.ConfigurableResource[None]):
    """Any server of the OpenAI embeddings protocol: SGLang on a GPU, or the CPU server of this project.

    Its life, when a step first embeds: *attach* to the URL, or to this machine's SGLang when it has a model; or
    *launch* that, when it does not run and may be launched, and wait until it is healthy; then *identify*
    what it serves. It is shared by all runs and outlives them. The flags of SGLang are in the KB_SGLANG__* settings.
    """

    url: str | None = Field(
        None, description="Base URL, such as http://gpu-host:30000/v1, or several with commas; empty: of this machine."
    )
    model: str | None = Field(None, description="The model to serve (CPU server) or to insist on (URL).")
    sglang_model: str | None = Field(
        None, description="Local folder or hub name of the model that SGLang serves on this machine's GPU."
    )
    launch: bool = Field(True, description="Whether a run may launch this machine's SGLang when it does not run.")

    @classmethod
    def of(cls, settings: Settings) -> "EmbeddingServerResource":
        return cls(
            url=settings.embedding_url,
            model=settings.embedding_model,
            sglang_model=settings.sglang.model,
            launch=settings.sglang.launch,
        )

    def applied_to(self, settings: Settings) -> Settings:
        """`settings` with what was chosen here, for example in the launchpad."""
        sglang = settings.sglang.model_copy(update={"model": self.sglang_model, "launch": self.launch})
        return settings.model_copy(update={"embedding_url": self.url, "embedding_model": self.model, "sglang": sglang})
