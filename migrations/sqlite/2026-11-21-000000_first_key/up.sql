-- AUTOINCREMENT everywhere: without it SQLite gives a deleted row's ID to the next one, and IDs are
-- part of secrets and of the audit trail. Moments are milliseconds since the epoch, UTC.

CREATE TABLE installation (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
);

CREATE TABLE tenants (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    guid      TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    name_fold TEXT NOT NULL UNIQUE,
    state     TEXT NOT NULL,
    created   BIGINT NOT NULL
);

-- tenant_id is null for the built-in roles, which serve every tenant.
CREATE TABLE roles (
    id                             INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id                      BIGINT REFERENCES tenants (id),
    name                           TEXT NOT NULL,
    name_fold                      TEXT NOT NULL,
    description                    TEXT NOT NULL,
    description_fold               TEXT NOT NULL,
    immutable                      BOOLEAN NOT NULL,
    equal_or_lesser_only           BOOLEAN NOT NULL,
    all_computers                  BOOLEAN NOT NULL,
    all_policies                   BOOLEAN NOT NULL,
    allow_user_interface           BOOLEAN NOT NULL,
    allow_web_service              BOOLEAN NOT NULL,
    allow_manage_workload_link     BOOLEAN NOT NULL,
    allow_migration                BOOLEAN NOT NULL,
    rights                         BLOB NOT NULL,
    computer_ids                   TEXT NOT NULL,
    computer_group_ids             TEXT NOT NULL,
    policy_ids                     TEXT NOT NULL,
    role_version                   BIGINT NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (tenant_id, name_fold);
CREATE UNIQUE INDEX roles_built_in_name ON roles (name_fold) WHERE tenant_id IS NULL;

CREATE TABLE administrators (
    id                              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id                       BIGINT NOT NULL REFERENCES tenants (id),
    username                        TEXT NOT NULL,
    username_fold                   TEXT NOT NULL,
    password_hash                   TEXT NOT NULL,
    initial_password_until          BIGINT,
    last_password_change            BIGINT NOT NULL,
    credential_version              BIGINT NOT NULL,
    role_id                         BIGINT NOT NULL REFERENCES roles (id),
    locale                          TEXT NOT NULL,
    time_zone                       TEXT NOT NULL,
    active                          BOOLEAN NOT NULL,
    mfa_type                        TEXT NOT NULL,
    totp_seed                       BLOB,
    totp_seed_pending               BLOB,
    last_totp_step                  BIGINT NOT NULL,
    mfa_guesses                     BIGINT NOT NULL,
    mfa_guesses_since               BIGINT NOT NULL,
    created                         BIGINT NOT NULL,
    last_sign_in                    BIGINT,
    unlock_time                     BIGINT,
    unsuccessful_sign_in_attempts   BIGINT NOT NULL,
    UNIQUE (tenant_id, username_fold),
    UNIQUE (tenant_id, id)
);

CREATE TABLE sessions (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id          BIGINT NOT NULL,
    administrator_id   BIGINT NOT NULL,
    sid_digest         BLOB NOT NULL UNIQUE,
    rid_digest         BLOB NOT NULL,
    session_ref        TEXT NOT NULL UNIQUE,
    kind               TEXT NOT NULL,
    access_type        TEXT NOT NULL,
    credential_version BIGINT NOT NULL,
    initial_password   BOOLEAN NOT NULL,
    created            BIGINT NOT NULL,
    last_activity      BIGINT NOT NULL,
    absolute_end       BIGINT NOT NULL,
    ended_at           BIGINT,
    end_reason         TEXT,
    address            TEXT NOT NULL,
    user_agent_digest  BLOB NOT NULL,
    state_version      BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, administrator_id) REFERENCES administrators (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_of_administrator ON sessions (administrator_id, created);
CREATE INDEX sessions_by_end ON sessions (absolute_end);

-- One row a bucket of (tenant, user name, address prefix), known names and unknown ones alike.
CREATE TABLE sign_in_attempts (
    bucket     BIGINT PRIMARY KEY NOT NULL,
    failures   BIGINT NOT NULL,
    allowed_at BIGINT NOT NULL,
    last       BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id                              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id                       BIGINT NOT NULL REFERENCES tenants (id),
    profile_id                      BIGINT NOT NULL,
    kind                            TEXT NOT NULL,
    key_name                        TEXT NOT NULL,
    name_fold                       TEXT NOT NULL,
    description                     TEXT NOT NULL,
    locale                          TEXT NOT NULL,
    role_id                         BIGINT NOT NULL REFERENCES roles (id),
    time_zone                       TEXT NOT NULL,
    active                          BOOLEAN NOT NULL,
    created                         BIGINT NOT NULL,
    last_sign_in                    BIGINT,
    unlock_time                     BIGINT,
    unsuccessful_sign_in_attempts   BIGINT NOT NULL,
    expiry_date                     BIGINT,
    service_account                 BOOLEAN NOT NULL,
    made_by_administrator_id        BIGINT,
    made_by_key_id                  BIGINT,
    made_with_initial_password      BOOLEAN NOT NULL,
    UNIQUE (tenant_id, name_fold),
    UNIQUE (tenant_id, id)
);
CREATE INDEX api_keys_by_role ON api_keys (role_id);

-- A table of its own because a key can have two secrets while it is rotated.
CREATE TABLE api_key_secrets (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      BIGINT NOT NULL,
    api_key_id     BIGINT NOT NULL,
    digest         BLOB NOT NULL,
    digest_version BIGINT NOT NULL,
    created        BIGINT NOT NULL,
    ends           BIGINT,
    FOREIGN KEY (tenant_id, api_key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX api_key_secrets_of_key ON api_key_secrets (api_key_id);

-- No foreign keys: what is written here outlives what it speaks of.
CREATE TABLE audit_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    name        TEXT NOT NULL,
    level       TEXT NOT NULL,
    actor_type  TEXT NOT NULL,
    actor_id    BIGINT,
    actor_name  TEXT NOT NULL,
    address     TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id   BIGINT,
    target_name TEXT NOT NULL,
    details     TEXT NOT NULL
);
CREATE INDEX audit_events_by_time ON audit_events (tenant_id, at);

CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_events_are_never_removed BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
