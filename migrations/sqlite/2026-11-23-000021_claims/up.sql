-- Keys that are made at the moment somebody redeems a code. Of the code there is a digest only, of the key nothing before
-- that moment but what was asked for, as JSON. Lengths of time are milliseconds, networks a JSON list.
CREATE TABLE claims (
    id                       INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id                BIGINT NOT NULL REFERENCES tenants (id),
    code_digest              BLOB NOT NULL UNIQUE,
    key_name                 TEXT NOT NULL,
    role_id                  BIGINT,
    wish                     TEXT NOT NULL,
    key_valid_for            BIGINT,
    networks                 TEXT NOT NULL,
    created                  BIGINT NOT NULL,
    expires                  BIGINT NOT NULL,
    made_by_administrator_id BIGINT,
    made_by_key_id           BIGINT,
    made_by_name             TEXT NOT NULL,
    redeemed                 BIGINT,
    redeemed_address         TEXT,
    api_key_id               BIGINT,
    reused                   BIGINT
);
CREATE INDEX claims_of_tenant ON claims (tenant_id, id);
CREATE INDEX claims_by_end ON claims (expires);
