-- The extension stays: others may use it.
DROP INDEX IF EXISTS api_keys_description_substrings;
DROP INDEX IF EXISTS api_keys_name_substrings;
