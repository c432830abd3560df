-- Whom programs of others are told by: calls that are signed with a secret, which is sealed under the master key.
-- events is a JSON list of names.
CREATE TABLE webhooks (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id        BIGINT NOT NULL REFERENCES tenants (id),
    name             TEXT NOT NULL,
    name_fold        TEXT NOT NULL,
    description      TEXT NOT NULL,
    description_fold TEXT NOT NULL,
    url              TEXT NOT NULL,
    events           TEXT NOT NULL,
    active           BOOLEAN NOT NULL,
    secret           BLOB NOT NULL,
    created          BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhooks_by_name ON webhooks (tenant_id, name_fold);

-- What is to be sent, written in the transaction of what it speaks of. No two rows have the same dedupe, so nothing is
-- sent twice. next_at is when somebody may take a row that is not done; whoever takes it moves that moment on.
CREATE TABLE notices (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   BIGINT NOT NULL REFERENCES tenants (id),
    dedupe      TEXT NOT NULL UNIQUE,
    destination TEXT NOT NULL,
    webhook_id  BIGINT REFERENCES webhooks (id) ON DELETE CASCADE,
    recipient   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    payload     TEXT NOT NULL,
    created     BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    state       TEXT NOT NULL,
    last_error  TEXT NOT NULL,
    done_at     BIGINT
);
CREATE INDEX notices_due ON notices (next_at) WHERE done_at IS NULL;
CREATE INDEX notices_of_destination ON notices (destination, next_at) WHERE done_at IS NULL;
CREATE INDEX notices_done ON notices (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX notices_of_tenant ON notices (tenant_id, id);
CREATE INDEX notices_of_webhook ON notices (webhook_id);
CREATE INDEX notices_of_recipient ON notices (recipient, created);

-- Up to which moment keys' ends have been looked at, for each way of telling.
CREATE TABLE notice_marks (
    name TEXT PRIMARY KEY NOT NULL,
    at   BIGINT NOT NULL
);

-- Calendars under a secret URL, of which only the digest is kept: one a person, one a key.
CREATE TABLE calendars (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id        BIGINT NOT NULL,
    administrator_id BIGINT UNIQUE,
    api_key_id       BIGINT UNIQUE,
    digest           BLOB NOT NULL UNIQUE,
    created          BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, administrator_id) REFERENCES administrators (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, api_key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE
);
