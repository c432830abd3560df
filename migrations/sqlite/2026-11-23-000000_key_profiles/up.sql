-- The rules that a family of keys lives under. Those without a tenant are built in, and everybody's. Lengths of time
-- are milliseconds; targets and warn_before are JSON lists.
CREATE TABLE api_key_profiles (
    id                              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id                       BIGINT REFERENCES tenants (id),
    name                            TEXT NOT NULL,
    name_fold                       TEXT NOT NULL,
    description                     TEXT NOT NULL,
    description_fold                TEXT NOT NULL,
    immutable                       BOOLEAN NOT NULL,
    rights_from                     TEXT NOT NULL,
    validity                        BIGINT,
    min_validity                    BIGINT,
    max_validity                    BIGINT,
    max_keys                        BIGINT,
    targets                         TEXT NOT NULL,
    api_types_required              BOOLEAN NOT NULL,
    replace_secret_on_type_change   BOOLEAN NOT NULL,
    refresh_revives                 BOOLEAN NOT NULL,
    max_overlap                     BIGINT NOT NULL,
    warn_before                     TEXT NOT NULL,
    issuer_bound                    BOOLEAN NOT NULL,
    visibility                      TEXT NOT NULL,
    key_calls_per_minute            BIGINT,
    tenant_calls_per_minute         BIGINT,
    calls_window                    TEXT NOT NULL,
    error_dialect                   TEXT NOT NULL
);
CREATE UNIQUE INDEX api_key_profiles_by_name ON api_key_profiles (coalesce(tenant_id, -1), name_fold);

INSERT INTO api_key_profiles VALUES
    (1, NULL, 'Deep Security', 'deep security',
     'Role-bound keys with an end of their own, as Deep Security has them.',
     'role-bound keys with an end of their own, as deep security has them.',
     TRUE, 'role', NULL, NULL, NULL, NULL, '[]', FALSE, FALSE, FALSE, 2592000000, '[864000000]', FALSE, 'all',
     NULL, NULL, 'sliding', 'deepSecurity'),
    (2, NULL, 'Trend Micro Cloud App Security', 'trend micro cloud app security',
     'Tokens for API types, valid for 365 days and refreshed, as Trend Micro Cloud App Security has them.',
     'tokens for api types, valid for 365 days and refreshed, as trend micro cloud app security has them.',
     TRUE, 'role', 31536000000, 31536000000, 31536000000, 20,
     '[{"name":"External applications"},{"name":"Apex One as a Service","maxKeys":1}]',
     TRUE, TRUE, TRUE, 2592000000, '[864000000]', FALSE, 'all', 20, NULL, 'fromFirstCall', 'trendCloudAppSecurity'),
    (3, NULL, 'Microsoft Cloud App Security', 'microsoft cloud app security',
     'Tokens with the rights of whoever issued them, seen by them alone, as Microsoft Cloud App Security has them.',
     'tokens with the rights of whoever issued them, seen by them alone, as microsoft cloud app security has them.',
     TRUE, 'issuer', NULL, NULL, NULL, NULL, '[]', FALSE, FALSE, FALSE, 2592000000, '[864000000]', TRUE, 'own',
     NULL, 30, 'sliding', 'deepSecurity');

-- The profile of keys that name none, where it is not the first.
CREATE TABLE default_api_key_profiles (
    tenant_id  BIGINT NOT NULL PRIMARY KEY REFERENCES tenants (id),
    profile_id BIGINT NOT NULL REFERENCES api_key_profiles (id)
);

-- What a key can be for, and the rights that belong to it: a JSON list of names.
CREATE TABLE api_types (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id           BIGINT REFERENCES tenants (id),
    name                TEXT NOT NULL,
    name_fold           TEXT NOT NULL,
    title               TEXT NOT NULL,
    title_fold          TEXT NOT NULL,
    description         TEXT NOT NULL,
    description_fold    TEXT NOT NULL,
    needs_authorization BOOLEAN NOT NULL,
    rights              TEXT NOT NULL
);
CREATE UNIQUE INDEX api_types_by_name ON api_types (coalesce(tenant_id, -1), name_fold);

INSERT INTO api_types VALUES
    (1, NULL, 'logRetrieval', 'logretrieval', 'Log Retrieval', 'log retrieval',
     'Reads security event logs and downloads quarantined mail.',
     'reads security event logs and downloads quarantined mail.', FALSE,
     '["platformRights.computerRights.canViewOtherComputers","platformRights.systemInformationRights.canViewSystemInformation"]'),
    (2, NULL, 'threatInvestigation', 'threatinvestigation', 'Threat Investigation', 'threat investigation',
     'Searches mail for what is known of a threat.', 'searches mail for what is known of a threat.', FALSE,
     '["platformRights.computerRights.canViewOtherComputers","platformRights.policyRights.canViewOtherPolicies"]'),
    (3, NULL, 'threatMitigationEmailMessage', 'threatmitigationemailmessage',
     'Threat Mitigation: email message', 'threat mitigation: email message',
     'Quarantines and deletes messages.', 'quarantines and deletes messages.', FALSE,
     '["platformRights.computerRights.canViewOtherComputers","platformRights.computerRights.canEditComputerProperties"]'),
    (4, NULL, 'threatMitigationUserAccount', 'threatmitigationuseraccount',
     'Threat Mitigation: user account', 'threat mitigation: user account',
     'Disables accounts and resets their passwords.', 'disables accounts and resets their passwords.', TRUE,
     '["platformRights.computerRights.canViewOtherComputers","platformRights.administratorRights.canEditAdministratorProperties"]'),
    (5, NULL, 'intelligentInvestigation', 'intelligentinvestigation',
     'Intelligent Investigation', 'intelligent investigation',
     'Looks into messages and accounts by itself.', 'looks into messages and accounts by itself.', TRUE,
     '["platformRights.computerRights.canViewOtherComputers","platformRights.computerRights.canViewNotRelatedToComputers"]'),
    (6, NULL, 'threatRemediation', 'threatremediation', 'Threat Remediation', 'threat remediation',
     'Blocks senders, addresses of pages and files.', 'blocks senders, addresses of pages and files.', FALSE,
     '["platformRights.policyRights.canViewOtherPolicies","platformRights.policyRights.canEditPolicyProperties"]');

-- What a key is for, and who gave leave where that is needed.
CREATE TABLE api_key_api_types (
    tenant_id          BIGINT NOT NULL,
    api_key_id         BIGINT NOT NULL,
    api_type_id        BIGINT NOT NULL REFERENCES api_types (id),
    granted            BIGINT,
    granted_by_id      BIGINT,
    granted_by_name    TEXT,
    PRIMARY KEY (api_key_id, api_type_id),
    FOREIGN KEY (tenant_id, api_key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX api_key_api_types_by_type ON api_key_api_types (api_type_id);

-- What bounds a key's use; networks and windows are JSON, empty where there are none.
ALTER TABLE api_keys ADD COLUMN target TEXT;
ALTER TABLE api_keys ADD COLUMN not_before BIGINT;
ALTER TABLE api_keys ADD COLUMN networks TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN remaining_uses BIGINT;
ALTER TABLE api_keys ADD COLUMN calls_per_minute BIGINT;
ALTER TABLE api_keys ADD COLUMN windows TEXT NOT NULL DEFAULT '';
CREATE INDEX api_keys_by_profile ON api_keys (profile_id, tenant_id);

-- A secret that was replaced stays beside the new one until it ends, and is known for a while after that.
ALTER TABLE api_key_secrets ADD COLUMN last_used BIGINT;
ALTER TABLE api_key_secrets ADD COLUMN last_address TEXT;
ALTER TABLE api_key_secrets ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_key_secrets ADD COLUMN replaced BIGINT;
ALTER TABLE api_key_secrets ADD COLUMN silent_for BIGINT;
ALTER TABLE api_key_secrets ADD COLUMN extend_until BIGINT;
