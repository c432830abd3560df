-- Three letters in a row of a key's texts lead to the key (pg_trgm), so that what stands in the middle of a name is
-- found without reading every name. The extension is trusted: whoever may create in the database may have it. Where it
-- cannot be had, searches read one key after the other, and the program says so at each start; this is run again then,
-- so it makes only what is not there.
--
-- On an expression and not on the column: PostgreSQL would use the index for texts of one or two letters too, for which
-- it has to read all of it. Who asks for the expression has three.
DO $$
DECLARE
    place text;
BEGIN
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    SELECT n.nspname INTO place FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_trgm';
    IF place IS NOT NULL THEN
        EXECUTE format('CREATE INDEX IF NOT EXISTS api_keys_name_substrings ON api_keys
            USING gin ((name_fold || '''') %I.gin_trgm_ops)', place);
        EXECUTE format('CREATE INDEX IF NOT EXISTS api_keys_description_substrings ON api_keys
            USING gin ((description_fold || '''') %I.gin_trgm_ops)', place);
    END IF;
END;
$$;
