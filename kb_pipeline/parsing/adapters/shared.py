"""What the readers of other libraries share."""

from __future__ import annotations

from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.tables import node_cells, spanned_table_element


def html_table(html: str, page_number: int | None) -> Element | None:
    """A table in some library's HTML as one of ours; None where it holds no text."""
    from lxml import html as lxml_html

    cells, header_rows = node_cells(lxml_html.fragment_fromstring(html, create_parent="div").iter("tr"))
    return spanned_table_element(cells, header_rows=header_rows, page_number=page_number)


def wants_network(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, came from looking for a model on its hub."""
    while error is not None:
        if type(error).__module__.startswith(("huggingface_hub", "requests", "httpx", "urllib3")):
            return True
        error = error.__cause__ or error.__context__
    return False
