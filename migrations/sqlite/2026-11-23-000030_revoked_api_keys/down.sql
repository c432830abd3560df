DROP TABLE revoked_api_key_secrets;
DROP TABLE revoked_api_keys;
