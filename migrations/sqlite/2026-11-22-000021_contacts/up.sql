-- People to be written to who cannot sign in. A role that one of them bears cannot be removed.
CREATE TABLE contacts (
    id                          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id                   BIGINT NOT NULL REFERENCES tenants (id),
    name                        TEXT NOT NULL,
    name_fold                   TEXT NOT NULL,
    description                 TEXT NOT NULL,
    description_fold            TEXT NOT NULL,
    phone_number                TEXT NOT NULL,
    phone_number_fold           TEXT NOT NULL,
    mobile_number               TEXT NOT NULL,
    mobile_number_fold          TEXT NOT NULL,
    pager_number                TEXT NOT NULL,
    pager_number_fold           TEXT NOT NULL,
    email_address               TEXT NOT NULL,
    email_address_fold          TEXT NOT NULL,
    locale                      TEXT NOT NULL,
    role_id                     BIGINT REFERENCES roles (id),
    report_pdf_password_enabled BOOLEAN NOT NULL
);
CREATE INDEX contacts_of_tenant ON contacts (tenant_id, id);
CREATE INDEX contacts_by_name ON contacts (tenant_id, name_fold);
CREATE INDEX contacts_by_role ON contacts (role_id);
