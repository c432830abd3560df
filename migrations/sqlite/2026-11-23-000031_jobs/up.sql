-- Work that goes on behind the call that began it: what is to be done, how far it is, who began it and who does it.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id     BIGINT NOT NULL REFERENCES tenants (id),
    kind          TEXT NOT NULL,
    parameters    TEXT NOT NULL,
    state         TEXT NOT NULL,
    total         BIGINT NOT NULL,
    done          BIGINT NOT NULL,
    failed        BIGINT NOT NULL,
    errors        TEXT NOT NULL,
    next_chunk    BIGINT NOT NULL,
    starter_type  TEXT NOT NULL,
    starter_id    BIGINT NOT NULL,
    starter_name  TEXT NOT NULL,
    starter_proof TEXT NOT NULL,
    address       TEXT NOT NULL,
    request_id    TEXT NOT NULL,
    created       BIGINT NOT NULL,
    started       BIGINT,
    ended         BIGINT,
    claimed_by    TEXT NOT NULL,
    claimed_until BIGINT NOT NULL,
    UNIQUE (tenant_id, id)
);
CREATE INDEX jobs_by_state ON jobs (state, claimed_until);
CREATE INDEX jobs_by_end ON jobs (ended);

-- What a job is about, a few hundred IDs in a row: each row is done in one transaction.
CREATE TABLE job_chunks (
    job_id    BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    items     BLOB NOT NULL,
    tenant_id BIGINT NOT NULL,
    PRIMARY KEY (job_id, number),
    FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
);
