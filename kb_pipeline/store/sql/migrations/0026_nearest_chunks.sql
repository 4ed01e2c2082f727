-- 200 rows of the index, which the function looked at before, hold .92 of the true ten nearest of 200,000.
-- The k passages nearest to a vector among those that pass the filters (null: any), by cosine similarity. Where the
-- index gives up before it has found k, every passage that passes is compared.
CREATE OR REPLACE FUNCTION nearest_chunks(
    query halfvec, k integer DEFAULT 10, collections text[] DEFAULT NULL, path text DEFAULT NULL,
    metadata_holds jsonb DEFAULT NULL)
RETURNS TABLE (id bigint, similarity double precision, content text, source_file text, page_number integer,
               section_title text, collection text, metadata jsonb)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan  -- filters that are null then cost nothing
AS $$
DECLARE
    found bigint[];
BEGIN
    PERFORM set_config('hnsw.iterative_scan', 'strict_order', true),
            set_config('hnsw.ef_search', least(greatest(k, 640), 1000)::text, true);  -- .99 of the true ten of 200,000
    found := ARRAY(
        SELECT c.id FROM knowledge_chunks c
        WHERE (collections IS NULL OR c.collection = ANY(collections))
          AND (path IS NULL OR c.source_file LIKE path)
          AND (metadata_holds IS NULL OR c.metadata @> metadata_holds)
        ORDER BY c.embedding <=> query LIMIT k);
    IF cardinality(found) < k THEN
        found := ARRAY(
            WITH passing AS MATERIALIZED (
                SELECT c.id, c.embedding <=> query AS distance FROM knowledge_chunks c
                WHERE (collections IS NULL OR c.collection = ANY(collections))
                  AND (path IS NULL OR c.source_file LIKE path)
                  AND (metadata_holds IS NULL OR c.metadata @> metadata_holds))
            SELECT p.id FROM passing p ORDER BY p.distance LIMIT k);
    END IF;
    RETURN QUERY
        SELECT c.id, 1 - (c.embedding <=> query), c.content, c.source_file, c.page_number, c.section_title,
               c.collection, c.metadata
        FROM knowledge_chunks c WHERE c.id = ANY(found) ORDER BY c.embedding <=> query;
END $$;
