"""A stand-in for the package SGLang, which needs a GPU: the server (see `launch_server`) and the engine."""

from __future__ import annotations

from typing import Any


class Engine:
    """The engine without a server, as far as `encode` goes; it embeds nothing."""

    def __init__(self, *, model_path: str, is_embedding: bool, log_level: str, **options: Any) -> None:
        assert is_embedding
        assert {"mem_fraction_static", "tp_size"} == options.keys()

    def encode(self, prompt: list[str]) -> list[dict[str, Any]]:
        return [{"embedding": [1.0], "meta_info": {"prompt_tokens": len(text.split())}} for text in prompt]

    def shutdown(self) -> None:
        """Nothing is held."""
