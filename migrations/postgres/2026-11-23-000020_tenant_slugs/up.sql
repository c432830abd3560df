-- The word that stands for a tenant in its own URL. Of those that are there it is the name where that is one already,
-- else the GUID, which is longer than any word made of a name; none where the tenant is being removed.
ALTER TABLE tenants ADD COLUMN slug TEXT COLLATE "C";
UPDATE tenants SET slug = CASE
    WHEN length(name_fold) <= 35 AND name_fold ~ '^[a-z0-9]+(-[a-z0-9]+)*$' THEN name_fold
    ELSE guid END
WHERE state <> 'pending-deletion';
CREATE UNIQUE INDEX tenants_slug ON tenants (slug);
