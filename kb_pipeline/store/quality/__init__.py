"""What the quality loop keeps: questions with their answers, evaluations, judgments, negatives, decisions."""
