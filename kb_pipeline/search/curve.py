"""What a dimension costs and gives on this corpus: recall, size and latency at several, measured on a sample.

A *point* is one dimension. Its recall is against exact search at the native dimension, so it holds both what cutting
vectors loses and what the index loses. Questions are passages that were left out of the sample: harder than most
people's, whose words come from the text they look for, so the curve is for comparing dimensions with one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import SettingsError
from kb_pipeline.store import recall as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

ROWS = 10_000
QUESTIONS = 100
FEWEST_ROWS = 200
K = 10
USUAL = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 2560)
MOST = 4_000  # an index of pgvector holds no more


@dataclass(frozen=True, slots=True)
class Point:
    """`kilobytes_per_row`: vectors and index; `p50_ms`, `p95_ms`: of one search by meaning over the sample."""

    dimension: int
    recall: float
    kilobytes_per_row: float
    p50_ms: float
    p95_ms: float


def measure(
    connection: Connection, generation: Generation, *, dimensions: Sequence[int] = (), rows: int = ROWS
) -> list[Point]:
    """A point for each of `dimensions` (none: the usual ones), smallest first. `connection` must be idle.

    Raises SettingsError for a dimension that the model's vectors have not, and for a knowledge base that is too small.
    """
    native = generation.native_dimension
    wanted = sorted({*dimensions} or {*(usual for usual in USUAL if usual < native), min(native, MOST)})
    if wanted[0] < 1 or wanted[-1] > min(native, MOST):
        raise SettingsError(f"The vectors of {generation.model} have {native} dimensions; choose from 1 to that.")
    with store.sample(connection, generation, rows):
        if store.sample_size(connection) < FEWEST_ROWS:
            raise SettingsError(f"A curve needs {FEWEST_ROWS} passages or more, and there are fewer; ingest more.")
        questions = np.stack(store.hold_out(connection, QUESTIONS))
        truth = store.sample_truth(connection, list(questions), K)
        return [_point(store.cut(connection, d, list(to_dimension(questions, d)), K), truth) for d in wanted]


def _point(cut: store.Cut, truth: Sequence[Sequence[int]]) -> Point:
    shares = [len(set(true) & set(found)) / len(true) for true, found in zip(truth, cut.found, strict=True)]
    return Point(
        dimension=cut.dimension,
        recall=round(sum(shares) / len(shares), 3),
        kilobytes_per_row=round(cut.bytes_per_row / 1000, 2),
        p50_ms=round(median(cut.milliseconds), 2),
        p95_ms=round(quantiles(cut.milliseconds, n=20)[-1], 2),
    )


# --- the picture -----------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 320, 56, 32, 56, 44


def picture(points: Sequence[Point]) -> str:
    """Recall (left) and size (right) over the dimension, as an SVG document."""
    largest = max(point.kilobytes_per_row for point in points)
    widest = max(point.dimension for point in points)

    def line(values: Sequence[float], top: float, colour: str) -> str:
        places = [
            (
                LEFT + (WIDTH - LEFT - RIGHT) * point.dimension / widest,
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top,
            )
            for point, value in zip(points, values, strict=True)
        ]
        path = " ".join(f"{x:.0f},{y:.0f}" for x, y in places)
        dots = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>' for x, y in places)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'

    ticks = "".join(
        f'<text x="{LEFT + (WIDTH - LEFT - RIGHT) * point.dimension / widest:.0f}" y="{HEIGHT - BOTTOM + 16}" '
        f'text-anchor="middle">{point.dimension}</text>'
        for point in points
    )
    labels = [
        (LEFT - 8, TOP - 12, "start", "#1f6feb", "recall@10, 0 to 1"),
        (WIDTH - RIGHT + 8, TOP - 12, "end", "#b35900", f"kB a row, 0 to {largest:g}"),
        (WIDTH / 2, HEIGHT - 8, "middle", "#333", "dimension"),
    ]
    texts = "".join(f'<text x="{x:.0f}" y="{y}" text-anchor="{a}" fill="{c}">{t}</text>' for x, y, a, c, t in labels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f'<path d="M{LEFT},{TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}V{TOP}" fill="none" stroke="#999"/>{ticks}{texts}'
        f"{line([point.recall for point in points], 1.0, '#1f6feb')}"
        f"{line([point.kilobytes_per_row for point in points], largest, '#b35900')}</svg>\n"
    )
