"""The servers that a site runs: for searches, and SGLang for embeddings."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, field_validator

from kb_pipeline.settings.base import Frozen


class ServerSettings(Frozen):
    """Where the search server listens, and whom it believes."""

    host: str = Field("127.0.0.1", description="Address to listen at; beyond this machine only with keys or proxies.")
    names: tuple[str, ...] = Field((), description="Host names that it answers to, besides 127.0.0.1 and localhost.")
    require_keys: bool = Field(False, description="Ask for a key even while none was ever made.")
    proxies: tuple[str, ...] = Field((), description="Addresses or networks of reverse proxies whose headers count.")
    user_header: str = Field("x-forwarded-user", description="Header in which they name who signed in.")
    groups_header: str = Field("x-forwarded-groups", description="Header with that person's groups, by commas.")

    uploads: Path | None = Field(None, description="Folder of documents sent to it; empty: uploads in KB_HOME.")
    largest_upload_mb: int = Field(100, ge=1, description="Most megabytes of a document sent to it.")

    requests_per_minute: int = Field(6000, ge=0, description="Most requests of one key or person; 0: any number.")

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            try:
                ip_network(address, strict=False)
            except ValueError:
                raise ValueError(f"{address} is neither an address nor a network such as 10.1.0.0/24") from None
        return value

    @field_validator("names", "user_header", "groups_header")
    @classmethod
    def _in_lower_case(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return value.lower() if isinstance(value, str) else tuple(name.lower() for name in value)


class SglangSettings(Frozen):
    """An SGLang server on this machine's GPU. Empty values leave the choice to SGLang itself."""

    model: str | None = Field(None, description="Local folder or hub name; when set, this site embeds with SGLang.")
    revision: str | None = Field(None, description="Commit of the hub; empty: the newest when it was installed.")
    served_model_name: str | None = Field(None, description="Name that clients see; empty: the last part of model.")
    launch: bool = Field(True, description="Commands and runs start the server when it does not run.")
    version: str = Field("0.5.20", description="The SGLang that `kb server install` installs.")
    python: Path | None = Field(None, description="Interpreter that has SGLang; empty: what install made in KB_HOME.")
    host: str = Field("127.0.0.1", description="Address to listen at; beyond this machine only with an API key.")
    port: int = Field(30000, ge=1, le=65535, description="Port to listen at.")
    tp: int = Field(1, ge=1, description="GPUs that share one copy of the model (tensor parallel).")
    dp: int = Field(1, ge=1, description="Copies of the model, each on GPUs of its own (data parallel).")
    mem_fraction_static: float = Field(0.85, gt=0, lt=1, description="Share of GPU memory for weights and cache.")
    attention_backend: str | None = Field(None, description="fa3, flashinfer, triton, …")
    max_running_requests: int | None = Field(None, ge=1, description="Texts computed at the same time.")
    max_queued_requests: int = Field(8192, ge=1, description="Texts that wait; more are refused with 503.")
    chunked_prefill_size: int | None = Field(None, description="Tokens of one forward pass; -1: texts are never cut.")
    context_length: int | None = Field(None, ge=1, description="Tokens of one text; empty: what the model can.")
    extra_args: tuple[str, ...] = Field((), description="More arguments of sglang.launch_server, as they are.")
    start_seconds: float = Field(900.0, gt=0, description="How long the server may take to become healthy.")
    idle_seconds: float | None = Field(None, gt=0, description="Stop after this long unused; empty: left running.")
