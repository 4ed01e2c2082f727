"""A model folder in a real shape with random weights, for machines that reach no model hub.

How fast a model computes depends on its shape, not on what it learned: the folder is good for measuring and
for nothing else. The weights are normally distributed as after initialisation, since a card draws less power, and
clocks higher, on zeros; they are written as safetensors piece by piece, without torch. The tokenizer is a byte-level
BPE trained on the sample documents; like that of Qwen3-Embedding it ends every text with <|endoftext|>.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from gpu.shape import Shape

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
READABLE = {".md", ".txt", ".html", ".csv"}
END = "<|endoftext|>"
STANDARD_DEVIATION = 0.02
POOL = 1 << 22  # random numbers that every matrix is cut from, at other places each
NORM = 0x3F80  # 1.0 as bf16
MOST_MERGED = 20_000  # tokens of the vocabulary; the samples hold no more


def make_model(folder: Path, shape: Shape, *, seed: int = 0) -> None:
    """Write config, tokenizer, weights and the modules of sentence-transformers; nothing when it is complete."""
    done = folder / "modules.json"
    if done.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    end = _write_tokenizer(folder, shape)
    _write_json(folder / "config.json", _config(shape, end))
    _write_weights(folder / "model.safetensors", shape, seed)
    pooling = folder / "1_Pooling"
    pooling.mkdir(exist_ok=True)
    _write_json(
        pooling / "config.json",
        {"word_embedding_dimension": shape.hidden_size, "pooling_mode_lasttoken": True, "include_prompt": True},
    )
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    _write_json(
        done,
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
    )


def tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor; the output matrix is the embedding table."""
    hidden, heads, keys = shape.hidden_size, shape.num_attention_heads, shape.num_key_value_heads
    yield "model.embed_tokens.weight", (shape.vocab_size, hidden)
    for number in range(shape.num_hidden_layers):
        layer = f"model.layers.{number}"
        yield f"{layer}.input_layernorm.weight", (hidden,)
        yield f"{layer}.self_attn.q_proj.weight", (heads * shape.head_dim, hidden)
        yield f"{layer}.self_attn.k_proj.weight", (keys * shape.head_dim, hidden)
        yield f"{layer}.self_attn.v_proj.weight", (keys * shape.head_dim, hidden)
        yield f"{layer}.self_attn.q_norm.weight", (shape.head_dim,)
        yield f"{layer}.self_attn.k_norm.weight", (shape.head_dim,)
        yield f"{layer}.self_attn.o_proj.weight", (hidden, heads * shape.head_dim)
        yield f"{layer}.post_attention_layernorm.weight", (hidden,)
        yield f"{layer}.mlp.gate_proj.weight", (shape.intermediate_size, hidden)
        yield f"{layer}.mlp.up_proj.weight", (shape.intermediate_size, hidden)
        yield f"{layer}.mlp.down_proj.weight", (hidden, shape.intermediate_size)
    yield "model.norm.weight", (hidden,)


def _config(shape: Shape, end: int) -> dict[str, object]:
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000,
        "initializer_range": STANDARD_DEVIATION,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "bos_token_id": end,
        "eos_token_id": end,
        **{name: getattr(shape, name) for name in Shape.__slots__},
    }


def _write_tokenizer(folder: Path, shape: Shape) -> int:
    """Train the tokenizer; the id of <|endoftext|>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=min(shape.vocab_size, MOST_MERGED),
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    samples = sorted(path for path in SAMPLES.rglob("*") if path.suffix in READABLE)
    tokenizer.train_from_iterator((path.read_text(errors="replace") for path in samples), trainer)
    end = int(tokenizer.token_to_id(END) or 0)  # the special tokens come first
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "pad_token": END,
            "padding_side": "left",
            "model_max_length": shape.max_position_embeddings,
        },
    )
    return end


def _write_weights(path: Path, shape: Shape, seed: int) -> None:
    """One safetensors file: the length of a JSON header, the header, the tensors one after the other.

    Format: https://github.com/huggingface/safetensors#format
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, size in tensors(shape):
        end = offset + 2 * prod(size)
        header[name] = {"dtype": "BF16", "shape": list(size), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(seed)
    values = (random.standard_normal(POOL, dtype=np.float32) * STANDARD_DEVIATION).view(np.uint32)
    pool = (values >> 16).astype("<u2")  # bf16 is the upper half of a float32
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, size in tensors(shape):
            if len(size) == 1:
                file.write(np.full(size, NORM, dtype="<u2").tobytes())
            else:
                _write_random(file, pool, prod(size), int(random.integers(POOL)))


def _write_random(file: BinaryIO, pool: np.ndarray, count: int, start: int) -> None:
    while count:
        piece = pool[start : start + count]
        file.write(piece.tobytes())
        count -= len(piece)
        start = 0


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1))
