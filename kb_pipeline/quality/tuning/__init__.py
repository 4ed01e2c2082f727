"""Tuning of the embedding model to a site's own questions: the extra `finetune`.

Terms
  side      query: only the encoding of queries is tuned, document vectors stay as they are, so that nothing is embedded
            again. both: queries and documents share the tuned model, which needs a generation of its own.
  adapter   what is trained: beside each named matrix W of the model two small ones, so that W + scale * B A is used in
            its place (LoRA, Hu et al. 2021). Everything else stays.
  example   a query, the passage that answers it, and passages that look like it and do not.
"""
