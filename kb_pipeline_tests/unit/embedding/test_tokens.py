import pytest

from kb_pipeline.embedding.bundled.tokenizer import BundledTokenizer
from kb_pipeline.embedding.bundled.weights import read_weights, weights_file
from kb_pipeline.embedding.tokens import estimate_tokens

TEXTS = {
    "English prose": "The committee approved the annual budget, subject to a review of travel expenses in Q3. " * 5,
    "Chinese prose": "第三条　本办法所称关联交易，是指本行及其控股子公司与关联方之间发生的转移资源的行为。" * 5,
    "mixed": "根据《数据安全法》第21条，KYC 系统（version 2.4.1）须于2024-06-30前完成升级。" * 5,
    "numbers": "12,345.67 98,765.43 2024-01-31 13800138000 4.35% 1/7\n" * 5,
    "table": "| Item | Price | Stock |\n|---|---|---|\n| Valve DN50 | 129.00 | 14 |\n" * 5,
    "one word": "hello",
    "one character": "权",
}


@pytest.fixture(scope="module")
def tokenizer() -> BundledTokenizer:
    return BundledTokenizer(read_weights(weights_file()).vocabulary)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_is_not_below_the_true_count_and_not_far_above_it(tokenizer: BundledTokenizer, text: str) -> None:
    true = len(tokenizer.tokenize([text])[0])
    assert true <= estimate_tokens(text) <= 2.3 * true + 3


def test_any_text_has_an_estimate() -> None:
    assert estimate_tokens("") >= 1
    assert estimate_tokens("😀") > estimate_tokens("a")
    assert estimate_tokens("\ud800") >= 1
