"""Text detection and recognition with the PP-OCR models of RapidOCR, on the CPU and offline.

RapidOCR's detector and recognizer are used, with the model files of its package; its own pipeline is not,
since it fetches models that it misses, scales every image alike, and turns upright letters on their side.
One thread is used per OMP_NUM_THREADS. Both models take 100 MB; their import takes a second.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]  # (height, width, 3): blue, green, red
Quads = npt.NDArray[np.float32]  # (count, 4, 2)

_DETECTOR = "PP-OCRv6_det_small.onnx"
_RECOGNIZER = "PP-OCRv6_rec_small.onnx"
_CROP_HEIGHT = 48  # pixels; the recognizer's input
_NARROWEST_CROP = 96  # pixels; narrower crops are padded, as the recognizer knows them from its training
_SQUEEZE = 0.8  # of a crop's width: a fifth less to compute, and the same text is read
_NO_LIMIT = 1 << 16  # pixels; the caller has scaled the image
_MOST_QUADS = 3000  # of one image


@dataclass(frozen=True, slots=True)
class Recognized:
    """The text of one crop. `confidence`: the mean of its characters, 0 to 1.

    `centres`: the middle of each character of `text`, 0 to 1 from the left to the right edge of the crop.
    """

    text: str
    confidence: float
    centres: tuple[float, ...]


def detect(image: Image) -> Quads:
    """Where text is. Its lines should be about 10 to 60 pixels high; both sides are best a multiple of 32."""
    with _memory_errors():
        found = _detector()(image)
    return np.zeros((0, 4, 2), np.float32) if found.boxes is None else np.asarray(found.boxes, np.float32)


def recognize(crops: Sequence[Image]) -> list[Recognized]:
    """The text of each crop, which holds one horizontal line."""
    if not crops:
        return []
    from rapidocr.ch_ppocr_rec import TextRecInput

    with _memory_errors():
        answer = _recognizer()(TextRecInput(img=[_squeezed(crop) for crop in crops], return_word_box=True))
    return [
        _recognized(text, score, words)
        for text, score, words in zip(answer.txts, answer.scores, answer.word_results, strict=True)
    ]


def _squeezed(crop: Image) -> Image:
    import cv2

    height, width = crop.shape[:2]
    squeezed = max(1, round(width * _CROP_HEIGHT / height * _SQUEEZE))
    return cv2.resize(crop, (squeezed, _CROP_HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _recognized(text: str, score: float, words: Any) -> Recognized:
    """`words` holds the column of the output in which each character that is no space was found."""
    columns = [column for word in words.word_cols for column in word]
    count = words.line_txt_len
    centres: list[float] = []
    found = iter(columns)
    for character in text:
        if character.isspace():
            centres.append(centres[-1] if centres else 0.0)
        else:
            centres.append(min((next(found) + 0.5) / count, 1.0))
    return Recognized(text, float(score), tuple(centres))


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """What the runtime says when it gets no memory, as Python says it."""
    from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError

    try:
        yield
    except ONNXRuntimeError as error:
        if "alloc" in str(error).lower():
            raise MemoryError from None
        raise


@cache
def _detector() -> Any:
    from rapidocr.ch_ppocr_det import TextDetector

    return TextDetector(
        _configuration(_DETECTOR, limit_type="max", limit_side_len=_NO_LIMIT, max_candidates=_MOST_QUADS)
    )


@cache
def _recognizer() -> Any:
    from rapidocr.ch_ppocr_rec import TextRecognizer

    return TextRecognizer(
        _configuration(
            _RECOGNIZER,
            lang_type="ch",  # which includes English
            font_path=None,
            rec_img_shape=[3, _CROP_HEIGHT, _NARROWEST_CROP],
            rec_batch_num=1,  # a batch is padded to its widest crop, which costs more than it saves
        )
    )


def _configuration(model: str, **options: Any) -> Any:
    """What RapidOCR's classes want to be told. They are given the session, so that they fetch nothing."""
    import cv2
    import onnxruntime
    from omegaconf import OmegaConf
    from rapidocr import EngineType

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    cv2.setNumThreads(threads)
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = threads
    session.inter_op_num_threads = 1
    session.enable_cpu_mem_arena = False  # it would keep the memory of the largest page
    session.log_severity_level = 4  # fatal
    # Threads that wait for work would take the time of the other parser processes.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return OmegaConf.create(
        {
            "engine_type": EngineType.ONNXRUNTIME,
            "session": onnxruntime.InferenceSession(_model(model), session, providers=["CPUExecutionProvider"]),
            **options,
        },
        flags={"allow_objects": True},
    )


def _model(name: str) -> str:
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise ImportError("rapidocr is not installed")
    return str(Path(spec.origin).parent / "models" / name)
