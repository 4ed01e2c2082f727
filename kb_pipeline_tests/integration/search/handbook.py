"""A handbook of a few passages in two languages, and how a test searches it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.result import SearchResult
from kb_pipeline.search.retrieve import search
from kb_pipeline_tests.integration.search.serving import Passage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.search.retrieve import Connect
    from kb_pipeline.store.database import Connection

DIMENSION = 64
MASKER = Masker(MaskingPolicy(), b"k" * 32)

STAFF, CONTRACT = "员工手册.pdf", "合同.pdf"
HANDBOOK = [
    Passage("员工入职满一年后每年享有五天带薪年假。", STAFF, "policies", 12, ("第三章 休假", "年假")),
    Passage("病假须提交医院证明，连续三天以上由部门经理批准。", STAFF, "policies", 13, ("第三章 休假", "病假")),
    Passage("差旅报销应在返回后三十日内提交发票。", "报销制度.docx", "policies", None, ("报销",)),
    Passage("Employees get five days of annual leave per year.", "handbook.md", "policies", None, ("Leave",)),
    Passage("The supplier delivers pump XR-200 within thirty days.", "contract.pdf", "contracts", 3, ("Delivery",)),
    Passage("质保期为验收后十二个月，型号 XR-200。", CONTRACT, "contracts", 5, ("质保",), {"author": "王", "no": 7}),
    Passage("联系人手机 13812345678，负责售后。", CONTRACT, "contracts", 6, ("第九条 联系方式",)),
    Passage("Invoices are paid net 45 after receipt.", "contract.pdf", "contracts", 4, ("Payment",), {"draft": True}),
]


def mask(text: str, collections: Sequence[str]) -> list[str]:
    return [MASKER.mask(text).text]


def using(connection: Connection) -> Connect:
    return lambda: nullcontext(connection)


def no_embedder() -> EmbeddingClient:
    raise AssertionError("the embedding server was asked")


def find(connection: Connection, text: str, client: EmbeddingClient | None = None, **options: Any) -> SearchResult:
    embedder = no_embedder if client is None else lambda: client
    return search(using(connection), SearchRequest(text, **options), embedder=embedder, mask=mask)
