-- Keys that were revoked, under the IDs that they had: none is given twice. What is named here may be gone, so names
-- are kept beside IDs, and nothing is referred to but the tenant.
CREATE TABLE revoked_api_keys (
    id                   INTEGER PRIMARY KEY NOT NULL,
    tenant_id            BIGINT NOT NULL REFERENCES tenants (id),
    profile_id           BIGINT NOT NULL,
    kind                 TEXT NOT NULL,
    key_name             TEXT NOT NULL,
    name_fold            TEXT NOT NULL,
    description          TEXT NOT NULL,
    description_fold     TEXT NOT NULL,
    role_id              BIGINT NOT NULL,
    role_name            TEXT NOT NULL,
    role_name_fold       TEXT NOT NULL,
    issuer_type          TEXT NOT NULL,
    issuer_id            BIGINT,
    issuer_name          TEXT NOT NULL,
    issuer_name_fold     TEXT NOT NULL,
    service_account      BOOLEAN NOT NULL,
    created              BIGINT NOT NULL,
    last_sign_in         BIGINT,
    expiry_date          BIGINT,
    revoked_at           BIGINT NOT NULL,
    revoked_by_type      TEXT NOT NULL,
    revoked_by_id        BIGINT,
    revoked_by_name      TEXT NOT NULL,
    revoked_by_name_fold TEXT NOT NULL,
    reason               TEXT NOT NULL,
    note                 TEXT NOT NULL,
    note_fold            TEXT NOT NULL,
    last_presented       BIGINT,
    last_presented_from  TEXT,
    UNIQUE (tenant_id, id)
);
CREATE INDEX revoked_api_keys_by_name ON revoked_api_keys (tenant_id, name_fold);
CREATE INDEX revoked_api_keys_by_time ON revoked_api_keys (tenant_id, revoked_at);
CREATE INDEX revoked_api_keys_by_age ON revoked_api_keys (revoked_at);

-- The digests of the secrets that they had, to recognise one that is presented again.
CREATE TABLE revoked_api_key_secrets (
    api_key_id     BIGINT NOT NULL,
    digest         BLOB NOT NULL,
    digest_version BIGINT NOT NULL,
    tenant_id      BIGINT NOT NULL,
    PRIMARY KEY (api_key_id, digest),
    FOREIGN KEY (tenant_id, api_key_id) REFERENCES revoked_api_keys (tenant_id, id) ON DELETE CASCADE
);
