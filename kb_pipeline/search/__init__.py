"""Finding passages: query analysis, filters, lexical and vector retrieval, and their fusion."""
