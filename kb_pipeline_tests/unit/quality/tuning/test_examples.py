from __future__ import annotations

import numpy as np
import pytest

from kb_pipeline.errors import NothingToLearn
from kb_pipeline.quality.tuning.examples import Example, Passage, require_enough

PAGE = Passage("page", np.ones(2, np.float32))


def test_three_examples_are_too_few() -> None:
    require_enough([Example("where", PAGE, ())] * 50)
    with pytest.raises(NothingToLearn, match=r"There are 3 examples to learn from and tuning needs 50; collect more"):
        require_enough([Example("where", PAGE, ())] * 3)
