from kb_pipeline_tests.embedding_fixtures import cpu_embedding_url

__all__ = ["cpu_embedding_url"]
