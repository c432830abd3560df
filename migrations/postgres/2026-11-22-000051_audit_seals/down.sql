DROP TRIGGER audit_events_are_never_removed ON audit_events;
DROP TRIGGER audit_events_are_never_changed ON audit_events;
DROP TABLE audit_cuts;
DROP TABLE audit_seals;
DROP TABLE audit_chain;
DROP FUNCTION audit_is_removed_below_a_cut();
DROP INDEX audit_events_by_target;
DROP INDEX audit_events_by_actor;
DROP INDEX audit_events_by_number;
DROP INDEX audit_events_by_tenant;
ALTER TABLE audit_events DROP COLUMN target_name_fold;
ALTER TABLE audit_events DROP COLUMN actor_name_fold;
CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
