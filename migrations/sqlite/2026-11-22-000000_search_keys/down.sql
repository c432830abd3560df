DROP INDEX api_keys_locked_out;
DROP INDEX api_keys_by_last_sign_in;
DROP INDEX api_keys_by_expiry;
DROP INDEX api_keys_by_creation;
DROP INDEX api_keys_by_role;
CREATE INDEX api_keys_by_role ON api_keys (role_id);
ALTER TABLE api_keys DROP COLUMN description_fold;
