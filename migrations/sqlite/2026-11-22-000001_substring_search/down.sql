DROP TRIGGER api_keys_substrings_removed;
DROP TRIGGER api_keys_substrings_changed;
DROP TRIGGER api_keys_substrings_made;
DROP TABLE api_keys_substrings_pending;
DROP VIEW api_keys_texts;
DROP TABLE api_keys_substrings;
