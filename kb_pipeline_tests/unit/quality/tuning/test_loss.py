import math

import pytest

torch = pytest.importorskip("torch", reason="needs the extra finetune")

from kb_pipeline.quality.tuning.loss import ranking_loss  # noqa: E402


def test_the_loss_is_the_cross_entropy_of_a_querys_own_passage() -> None:
    queries, passages = torch.eye(2), torch.eye(2)
    loss = ranking_loss(
        queries, passages, torch.tensor([0, 1]), torch.ones(2, 2, dtype=torch.bool), temperature=1.0, dimensions=(2,)
    )
    assert float(loss) == pytest.approx(-math.log(math.e / (math.e + 1)))


def test_a_passage_that_is_no_negative_does_not_count() -> None:
    queries, passages = torch.eye(2), torch.eye(2)
    allowed = torch.eye(2, dtype=torch.bool)
    assert float(
        ranking_loss(queries, passages, torch.tensor([0, 1]), allowed, temperature=1.0, dimensions=(2,))
    ) == pytest.approx(0)


def test_it_is_the_mean_over_the_lengths_of_vectors() -> None:
    queries, passages = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.0], [-3.0, 4.0]])
    own, allowed = torch.tensor([0]), torch.ones(1, 2, dtype=torch.bool)
    each = [
        float(ranking_loss(queries, passages, own, allowed, temperature=1.0, dimensions=(length,))) for length in (1, 2)
    ]
    both = ranking_loss(queries, passages, own, allowed, temperature=1.0, dimensions=(2, 1))
    assert float(both) == pytest.approx(sum(each) / 2)
