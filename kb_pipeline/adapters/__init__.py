"""Retrievers for frameworks that build applications on language models, over the HTTP API of the search server.

Each module needs its framework, which is an extra of the same name, and nothing else imports it:

    langchain    KnowledgeBaseRetriever for LangChain
    llamaindex   KnowledgeBaseRetriever for LlamaIndex
    http         what both ask the server, and what they understand of its answer
"""
