-- Folded in the program from now on; what is there already is folded as far as SQL can.
ALTER TABLE api_keys ADD COLUMN description_fold TEXT NOT NULL DEFAULT '';
UPDATE api_keys SET description_fold = lower(description);

-- One for each kind of search that must not look at every key.
DROP INDEX api_keys_by_role;
CREATE INDEX api_keys_by_role ON api_keys (role_id, tenant_id);
CREATE INDEX api_keys_by_creation ON api_keys (tenant_id, created);
CREATE INDEX api_keys_by_expiry ON api_keys (tenant_id, expiry_date) WHERE expiry_date IS NOT NULL;
CREATE INDEX api_keys_by_last_sign_in ON api_keys (tenant_id, last_sign_in);
CREATE INDEX api_keys_locked_out ON api_keys (tenant_id) WHERE NOT active;
