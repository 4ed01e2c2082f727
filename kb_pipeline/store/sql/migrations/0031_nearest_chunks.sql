-- The k passages nearest to a vector among those that pass the filters (null: any), by cosine similarity, whatever
-- share of all passages that is: few are compared one by one, many are found by the index, which looks at the more rows
-- the fewer of them pass. As a search by kb does; see store/search.py for the numbers.
--
-- `collections`: several may be named that share a generation; one with a generation of its own is looked for in its own
-- view, by a vector of that view's dimension.
CREATE OR REPLACE FUNCTION nearest_chunks(
    query halfvec, k integer DEFAULT 10, collections text[] DEFAULT NULL, path text DEFAULT NULL,
    metadata_holds jsonb DEFAULT NULL)
RETURNS TABLE (id bigint, similarity double precision, content text, source_file text, page_number integer,
               section_title text, collection text, metadata jsonb)
LANGUAGE plpgsql VOLATILE  -- for the planner's estimates
AS $$
DECLARE
    named text;
    prefix text;
    views text[] := '{}';
    passes text;
    plan json;
    total double precision;
    expected double precision;
    most integer;
    few boolean := false;
    found integer;
    wanted double precision;
    ids bigint[];
BEGIN
    FOREACH named IN ARRAY coalesce(collections, '{}') LOOP
        named := 'knowledge_chunks_' || named;
        IF octet_length(named) > 63 THEN  -- as kb names it: what fits, and the beginning of its hash
            prefix := left(named, 54);
            WHILE octet_length(prefix) > 54 LOOP
                prefix := left(prefix, -1);
            END LOOP;
            named := prefix || '_' || left(encode(sha256(convert_to(substr(named, 18), 'UTF8')), 'hex'), 8);
        END IF;
        views := views || CASE WHEN to_regclass(quote_ident(named)) IS NULL THEN 'knowledge_chunks' ELSE named END;
    END LOOP;
    views := ARRAY(SELECT DISTINCT v FROM unnest(views) v);
    IF cardinality(views) > 1 THEN
        RAISE EXCEPTION 'These collections have several generations, whose vectors cannot be compared; ask for one of them at a time.';
    END IF;
    named := coalesce(views[1], 'knowledge_chunks');

    passes := concat_ws(' AND ',
        CASE WHEN collections IS NOT NULL THEN format('c.collection = ANY(%L::text[])', collections) END,
        CASE WHEN path IS NOT NULL THEN format('c.source_file LIKE %L', path) END,
        CASE WHEN metadata_holds IS NOT NULL THEN format('c.metadata @> %L::jsonb', metadata_holds) END);
    EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM %I c', named) INTO plan;
    total := greatest((plan -> 0 -> 'Plan' ->> 'Plan Rows')::double precision, 1);
    expected := total;
    IF passes <> '' THEN
        most := ceil(sqrt(5 * greatest(k, 100) * total));
        EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM %I c WHERE %s', named, passes) INTO plan;
        expected := (plan -> 0 -> 'Plan' ->> 'Plan Rows')::double precision;
        IF expected <= 4 * most THEN  -- the planner may be wrong by so much
            EXECUTE format('SELECT count(*) FROM (SELECT FROM %I c WHERE %s LIMIT %s) p', named, passes, most + 1) INTO found;
            few := found <= most;
            expected := greatest(expected, found);
        END IF;
    ELSE
        passes := 'true';
    END IF;
    IF NOT few THEN
        wanted := ceil(greatest(100, 1.4 * sqrt(total), k) / least(greatest(expected / total, 0.01), 1));
        PERFORM set_config('hnsw.iterative_scan', 'strict_order', true),
                set_config('hnsw.ef_search', least(wanted, 1000)::integer::text, true);
        EXECUTE format('SELECT ARRAY(SELECT c.id FROM %I c WHERE %s ORDER BY c.embedding <=> $1 LIMIT %s)', named, passes, k)
            INTO ids USING query;
        few := cardinality(ids) < k;  -- the index gave up
    END IF;
    IF few THEN
        EXECUTE format(
            'WITH passing AS MATERIALIZED (SELECT c.id, c.embedding <=> $1 AS distance FROM %I c WHERE %s) '
            'SELECT ARRAY(SELECT p.id FROM passing p ORDER BY p.distance LIMIT %s)', named, passes, k)
            INTO ids USING query;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT c.id, 1 - (c.embedding <=> $1), c.content, c.source_file, c.page_number, c.section_title, c.collection, '
        'c.metadata FROM %I c WHERE c.id = ANY($2) ORDER BY c.embedding <=> $1', named)
        USING query, ids;
END $$;
