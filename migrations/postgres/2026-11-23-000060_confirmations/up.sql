-- What was confirmed once and is not taken again, until it would be too old anyway; and the job that came of it.
CREATE TABLE spent_confirmations (
    proof     TEXT NOT NULL PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    until     BIGINT NOT NULL,
    job_id    BIGINT
);
CREATE INDEX spent_confirmations_by_tenant ON spent_confirmations (tenant_id);
CREATE INDEX spent_confirmations_by_end ON spent_confirmations (until);
-- What was seen of each thing that a job is about, eight bytes each.
ALTER TABLE job_chunks ADD COLUMN marks BYTEA;
