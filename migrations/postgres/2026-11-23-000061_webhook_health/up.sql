-- How the calls to a webhook's receiver fare: when one arrived last, and when and why one failed last.
ALTER TABLE webhooks ADD COLUMN last_delivered BIGINT;
ALTER TABLE webhooks ADD COLUMN last_failure BIGINT;
ALTER TABLE webhooks ADD COLUMN last_failure_message TEXT;
