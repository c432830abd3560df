-- What is known of a tenant besides its name.
ALTER TABLE tenants ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN description_fold TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE tenants ADD COLUMN locale TEXT NOT NULL DEFAULT 'en-US';
ALTER TABLE tenants ADD COLUMN database_server_id BIGINT NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN demo_mode BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE tenants ADD COLUMN modules_visible TEXT NOT NULL DEFAULT '["all"]';
ALTER TABLE tenants ADD COLUMN hide_unlicensed_modules BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE tenants ADD COLUMN last_signin_time BIGINT;

-- A tenant's sessions are removed a few hundred at a time.
CREATE INDEX sessions_of_tenant ON sessions (tenant_id, id);
