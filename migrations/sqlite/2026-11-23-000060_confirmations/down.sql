ALTER TABLE job_chunks DROP COLUMN marks;
DROP TABLE spent_confirmations;
