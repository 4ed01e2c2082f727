from kb_pipeline_tests.integration.services.conftest import processes_of, run_command, wait_for
from kb_pipeline_tests.sites import embedding_server

__all__ = ["embedding_server", "processes_of", "run_command", "wait_for"]
