"""Fields: what people say of documents beside their text, and how it becomes a column to filter on.

Terms
    given      what one place says of a document: key -> text or list of texts, as it was written there.
    field      a key that kb.toml declares under [fields] with a type; it becomes a typed column.
    sidecar    a file beside a document or in a folder that says something of it, never a document itself.
    manifest   a CSV file of a source: a row says something of the document that its column `path` names.
    layer      one of the places that may say something of a document; the first that says a field decides:
               its sidecar, those of its folders from the nearest up, manifests, patterns, the file itself.

Nothing here reads a file or knows a database.
"""
