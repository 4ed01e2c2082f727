from kb_pipeline_tests.embedding_fixtures import cpu_embedding_url
from kb_pipeline_tests.sites import embedding_server, kb, parsers

__all__ = ["cpu_embedding_url", "embedding_server", "kb", "parsers"]
