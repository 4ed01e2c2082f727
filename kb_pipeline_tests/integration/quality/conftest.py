from kb_pipeline_tests.sites import embedding_server, kb, parsers

__all__ = ["embedding_server", "kb", "parsers"]
