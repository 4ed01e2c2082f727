"""PostgreSQL, which is the ledger and the vector store in one, as a Dagster resource."""

import dagster as dg
from pydantic import Field


class PostgresResource(dg.ConfigurableResource[None]):
    """The database; its URL comes from KB_DATABASE_URL and is shown nowhere, since it may hold a password."""

    embedded: bool = Field(True, description="Whether the embedded server of KB_HOME is used.")
