-- Secrets beside which there is a newer one, until it is written down that they have ended.
CREATE INDEX api_key_secrets_rotating ON api_key_secrets (replaced) WHERE replaced IS NOT NULL;
-- One secret opens one key. Whoever brings a digest of their own may bring the same for two.
CREATE UNIQUE INDEX api_key_secrets_by_digest ON api_key_secrets (digest, tenant_id);
