from kb_pipeline_tests.sites import embedding_server

__all__ = ["embedding_server"]
