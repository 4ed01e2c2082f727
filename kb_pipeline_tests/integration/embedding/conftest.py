from kb_pipeline_tests.embedding_fixtures import cpu_embedding_url, instant, start_cpu_server

__all__ = ["cpu_embedding_url", "instant", "start_cpu_server"]
