ALTER TABLE webhooks DROP COLUMN last_failure_message;
ALTER TABLE webhooks DROP COLUMN last_failure;
ALTER TABLE webhooks DROP COLUMN last_delivered;
