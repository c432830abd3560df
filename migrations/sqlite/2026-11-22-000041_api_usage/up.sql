-- One row a call. No foreign keys: it is written a second later, when who called may be gone. tenant_id is null where
-- nobody proved who they are.
CREATE TABLE api_usage (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id             BIGINT,
    tenant_guid           TEXT NOT NULL,
    at                    BIGINT NOT NULL,
    action                TEXT NOT NULL,
    path                  TEXT NOT NULL,
    duration              BIGINT NOT NULL,
    status_code           BIGINT NOT NULL,
    authentication_method TEXT NOT NULL,
    expand_parameter      TEXT NOT NULL,
    response_item_count   BIGINT,
    actor_type            TEXT NOT NULL,
    actor_id              BIGINT
);
CREATE INDEX api_usage_of_tenant ON api_usage (tenant_id, id);
CREATE INDEX api_usage_of_tenant_by_time ON api_usage (tenant_id, at);
CREATE INDEX api_usage_by_time ON api_usage (at);
CREATE INDEX api_usage_by_status ON api_usage (status_code, at);
