DROP TRIGGER audit_events_are_never_replaced;
DROP TRIGGER audit_events_are_never_removed;
DROP TRIGGER audit_events_are_never_changed;
DROP TABLE audit_cuts;
DROP TABLE audit_seals;
DROP TABLE audit_chain;
DROP INDEX audit_events_by_target;
DROP INDEX audit_events_by_actor;
DROP INDEX audit_events_by_number;
DROP INDEX audit_events_by_tenant;
ALTER TABLE audit_events DROP COLUMN target_name_fold;
ALTER TABLE audit_events DROP COLUMN actor_name_fold;
CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_events_are_never_removed BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
