"""Whether search is good, and what makes it better: evaluation sets, measures, judgments, negatives, and the gate."""
