DROP INDEX api_key_secrets_by_digest;
DROP INDEX api_key_secrets_rotating;
