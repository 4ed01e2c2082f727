"""Made-up documents whose headings, paragraphs, tables and page furniture are known."""
