"""The folder of a tuned model: written whole or not at all, and checked before it is trusted.

NAME/tuned.json                  what it was made of, how training went, what was checked
NAME/adapter/                    the adapter, as peft and SGLang read it
NAME/merged/MODEL/               side "both", models other than the default one: the whole model, under the name of
                                 the one that it was made from, by which its templates are found
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kb_pipeline.errors import SettingsError
from kb_pipeline.quality.tuning.adapter import fix_scale, set_scale
from kb_pipeline.quality.tuning.training import TuningSettings, embedded
from kb_pipeline.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from kb_pipeline.quality.tuning.trainee import Trainee
    from kb_pipeline.quality.tuning.training import Trained

RECORD, ADAPTER, MERGED = "tuned.json", "adapter", "merged"
CLOSE = 1e-3  # cosine distance that rounding leaves between the adapter and the merged model
_BATCH = 8


@dataclass(frozen=True, slots=True)
class TunedModel:
    """`base` and `revision`: of the model it was made from. `serve`: what the embedding server is given, the adapter's
    folder or the merged model's."""

    name: str
    side: str
    base: str
    revision: str | None
    serve: Path
    record: dict[str, Any]


def models_folder(home: Path) -> Path:
    """Where the tuned models of a KB_HOME are."""
    return home / "models"


def save_tuned(
    trainee: Trainee,
    trained: Trained,
    settings: TuningSettings,
    folder: Path,
    *,
    probes: Sequence[str],
    facts: dict[str, Any],
) -> TunedModel:
    """Write the model that `training.train` left in `trainee` to `folder`, after checking it.

    `probes`: texts that the written model has to embed as the trained one does. `facts`: what else belongs to the
    record. Raises SettingsError when the folder is there, or when what was written
    does not embed as what was trained.
    """
    if folder.exists():
        raise SettingsError(f"There is a tuned model {folder.name} already; choose another name.")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    set_scale(trainee.model, 0.0)
    before = embedded(trainee, probes, _BATCH)
    fix_scale(trainee.model, trained.scale)
    tuned = embedded(trainee, probes, _BATCH)
    _save_adapter(trainee, partial / ADAPTER)
    merged = partial / MERGED / trainee.base.rstrip("/").rsplit("/", 1)[-1]
    served = merged if settings.side == "both" and trainee.save_merged(merged) else partial / ADAPTER
    checks = _checked(before, tuned, trainee.written(served, probes), folder.name)
    record = {
        "name": folder.name,
        "side": settings.side,
        "base": trainee.base,
        "revision": trainee.revision,
        "serve": str(served.relative_to(partial)),
        "settings": asdict(settings),
        "history": [asdict(epoch) for epoch in trained.history],
        "scale": trained.scale,
        "dev_by_scale": trained.dev_by_scale,
        **checks,
        **facts,
    }
    write_atomically(partial / RECORD, json.dumps(record, indent=1, ensure_ascii=False))
    os.replace(partial, folder)  # noqa: PTH105 - a folder
    return read_tuned(folder)


def read_tuned(folder: Path) -> TunedModel:
    """Raises SettingsError when the folder is not there, or something in it is missing."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
        served = folder / record["serve"]
        tuned = TunedModel(record["name"], record["side"], record["base"], record["revision"], served, record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"There is no complete tuned model in {folder} ({type(error).__name__}); run `kb tune` to make one."
        ) from None
    needed = ("adapter_config.json", "adapter_model.safetensors") if served.name == ADAPTER else ("modules.json",)
    missing = [name for name in needed if not (served / name).is_file()]
    if missing:
        raise SettingsError(f"The tuned model {folder} lacks {', '.join(missing)}; restore the folder, or tune again.")
    return tuned


def tuned_models(parent: Path) -> list[TunedModel]:
    """All complete ones in `parent`, by name."""
    return [read_tuned(folder.parent) for folder in sorted(parent.glob(f"[!.]*/{RECORD}"))]


def _save_adapter(trainee: Trainee, folder: Path) -> None:
    """In peft's form; without its card, which says nothing that tuned.json does not."""
    trainee.model.peft_config["default"].base_model_name_or_path = trainee.base
    trainee.model.save_pretrained(str(folder), save_embedding_layers=False)  # or peft would ask a model hub
    (folder / "README.md").unlink(missing_ok=True)


def _checked(
    before: NDArray[np.float32], tuned: NDArray[np.float32], written: NDArray[np.float32], name: str
) -> dict[str, float]:
    """Cosine distances on the probes. Raises SettingsError when the written model is not the trained one."""
    apart = {"written_from_tuned": _distance(written, tuned), "written_from_base": _distance(written, before)}
    if apart["written_from_tuned"] > CLOSE:
        raise SettingsError(
            f"The tuned model {name} embeds otherwise once it is written than while it was trained (cosine distance "
            f"{apart['written_from_tuned']:.4f}); nothing was kept. Update peft and sentence-transformers."
        )
    if apart["written_from_base"] <= apart["written_from_tuned"]:
        raise SettingsError(
            f"The tuned model {name} embeds as the model that it was made from; training changed nothing. Nothing was "
            "kept: tune with more examples, or a higher learning rate."
        )
    return apart


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The largest between two rows."""
    return float(1 - np.einsum("ij,ij->i", one, other).min())
