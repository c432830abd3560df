-- All that a key's status depends on, so that a million keys are counted without reading their rows.
CREATE INDEX api_keys_by_status ON api_keys
    (tenant_id, kind, active, profile_id, expiry_date, not_before, last_sign_in, made_by_administrator_id, made_by_key_id);
