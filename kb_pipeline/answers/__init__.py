"""Answers that a language model writes out of the passages that a search found, and out of nothing else.

Terms
  chat server   any server of OpenAI's `/v1/chat/completions`, named by `[answers] url`.
  passage       of the prompt: a hit of the search, by its rank, which is its number. Passages are stored masked, and so
                is the question; nothing else goes out.
  citation      the number of a passage in square brackets.
  answer        the sentences that cite a passage that was given. What cites none is left out and counted; a number that
                was not given is no citation and is taken out.

What the model says is text of a stranger: a document may have told it what to say. It is never markup, and it is only
shown beside the passages that it names.
"""
