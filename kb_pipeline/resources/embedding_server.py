"""The embedding server as a Dagster resource."""

import dagster as dg
from pydantic import Field


class EmbeddingServerResource(dg.ConfigurableResource[None]):
    """Any server of the OpenAI embeddings protocol: SGLang on a GPU, or the CPU server of this project."""

    url: str | None = Field(None, description="Base URL, such as http://gpu-host:30000/v1; empty: the CPU server.")
    model: str | None = Field(None, description="The model to serve (CPU server) or to insist on (URL).")
