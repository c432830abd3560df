-- Three characters in a row of a key's texts lead to the key (FTS5's trigrams), so that what stands in the middle of a
-- name is found without reading every name. The tenant is three characters too, of a private area of Unicode: the keys
-- of others are passed over within the index. It holds no texts of its own, and no positions; whoever searches reads
-- the key and looks whether it is one.
CREATE VIRTUAL TABLE api_keys_substrings USING fts5 (
    tenant, name_fold, description_fold,
    content = '', contentless_delete = 1, detail = column, tokenize = 'trigram case_sensitive 1'
);
-- The index is merged when it is written to by `api_keys/substring_store.rs`, a little each time, and never at length.
INSERT INTO api_keys_substrings (api_keys_substrings, rank) VALUES ('automerge', 0);

CREATE VIEW api_keys_texts AS
    SELECT id, char(983040 + (tenant_id >> 22), 983040 + ((tenant_id >> 11) & 2047), 983040 + (tenant_id & 2047)) AS tenant,
        name_fold, description_fold
    FROM api_keys;

-- Keys that the index does not know yet as they are now. To write an index of a hundred trigrams takes several times as
-- long as to make a key: it is done a moment later, for many at once, and until then a search looks at these keys too.
CREATE TABLE api_keys_substrings_pending (
    id INTEGER PRIMARY KEY NOT NULL
);
CREATE TRIGGER api_keys_substrings_made AFTER INSERT ON api_keys
BEGIN
    INSERT OR IGNORE INTO api_keys_substrings_pending (id) VALUES (new.id);
END;
CREATE TRIGGER api_keys_substrings_changed AFTER UPDATE OF id, tenant_id, name_fold, description_fold ON api_keys
WHEN old.id <> new.id OR old.tenant_id <> new.tenant_id OR old.name_fold <> new.name_fold
    OR old.description_fold <> new.description_fold
BEGIN
    INSERT OR IGNORE INTO api_keys_substrings_pending (id) VALUES (old.id), (new.id);
END;
CREATE TRIGGER api_keys_substrings_removed AFTER DELETE ON api_keys
BEGIN
    INSERT OR IGNORE INTO api_keys_substrings_pending (id) VALUES (old.id);
END;

INSERT INTO api_keys_substrings (rowid, tenant, name_fold, description_fold)
    SELECT id, tenant, name_fold, description_fold FROM api_keys_texts ORDER BY id;
