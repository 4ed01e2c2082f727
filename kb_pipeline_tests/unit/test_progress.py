"""What long work tells about itself."""

from __future__ import annotations

from kb_pipeline.progress import LogLines, listening, progress_line, track


def test_a_line_tells_rate_tokens_and_the_time_that_is_left() -> None:
    line = progress_line("embedding texts", 1500, 5000, 30.0, tokens=360_000)
    assert line == "embedding texts: 1,500 of 5,000, 50.0 per second, 12,000 tokens per second, about 70 s left"


def test_a_line_is_written_about_every_ten_seconds_and_at_the_end() -> None:
    lines: list[str] = []
    now = [0.0]
    with listening(LogLines(lines.append, clock=lambda: now[0])), track("embedding texts", 100) as progress:
        for _ in range(100):
            now[0] += 0.25
            progress.advance(tokens=20)
    assert lines == [
        "embedding texts: 40 of 100, 4.0 per second, 80 tokens per second, about 15 s left",
        "embedding texts: 80 of 100, 4.0 per second, 80 tokens per second, about 5 s left",
        "embedding texts: 100 in 25.0 s, 80 tokens per second",
    ]
