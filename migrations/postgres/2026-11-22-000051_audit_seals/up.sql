DROP TRIGGER audit_events_are_never_changed ON audit_events;

-- Folded in the program from now on; what is there already is folded as far as SQL can.
ALTER TABLE audit_events ADD COLUMN actor_name_fold TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN target_name_fold TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE audit_events SET actor_name_fold = lower(actor_name), target_name_fold = lower(target_name);

CREATE INDEX audit_events_by_tenant ON audit_events (tenant_id, id);
CREATE INDEX audit_events_by_number ON audit_events (tenant_id, number);
CREATE INDEX audit_events_by_actor ON audit_events (tenant_id, actor_id);
CREATE INDEX audit_events_by_target ON audit_events (tenant_id, target_id);

-- Which event stands where: its MAC covers all its columns and the MAC before it.
CREATE TABLE audit_chain (
    position BIGINT PRIMARY KEY NOT NULL,
    event_id BIGINT NOT NULL UNIQUE,
    mac      BYTEA NOT NULL
);

-- What was sealed at one moment. highest_event is the highest ID sealed so far, newest the latest time in the
-- segment, epoch_first the first position under the same key.
CREATE TABLE audit_seals (
    id             BIGINT PRIMARY KEY NOT NULL,
    first_position BIGINT NOT NULL,
    last_position  BIGINT NOT NULL,
    highest_event  BIGINT NOT NULL,
    newest         BIGINT NOT NULL,
    sealed_at      BIGINT NOT NULL,
    head           BYTEA NOT NULL,
    key_id         TEXT NOT NULL,
    epoch_first    BIGINT NOT NULL,
    mac            BYTEA NOT NULL
);

-- Up to where events were removed because their time was over, and what the chain goes on from.
CREATE TABLE audit_cuts (
    position BIGINT PRIMARY KEY NOT NULL,
    seal_id  BIGINT NOT NULL,
    head     BYTEA NOT NULL,
    cut_at   BIGINT NOT NULL,
    removed  BIGINT NOT NULL,
    key_id   TEXT NOT NULL,
    mac      BYTEA NOT NULL
);

-- Removed is only what lies at or below a cut.
CREATE FUNCTION audit_is_removed_below_a_cut() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place BIGINT;
BEGIN
    IF TG_TABLE_NAME = 'audit_events' THEN
        SELECT position INTO place FROM audit_chain WHERE event_id = OLD.id;
    ELSIF TG_TABLE_NAME = 'audit_chain' THEN
        place := OLD.position;
    ELSE
        place := OLD.last_position;
    END IF;
    IF place <= (SELECT max(position) FROM audit_cuts) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit events are append-only';
END;
$$;

CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
CREATE TRIGGER audit_events_are_never_removed BEFORE DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_is_removed_below_a_cut();

CREATE TRIGGER audit_chain_is_never_changed BEFORE UPDATE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
CREATE TRIGGER audit_chain_is_never_removed BEFORE DELETE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION audit_is_removed_below_a_cut();
CREATE TRIGGER audit_chain_is_never_emptied BEFORE TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();

CREATE TRIGGER audit_seals_are_never_changed BEFORE UPDATE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
CREATE TRIGGER audit_seals_are_never_removed BEFORE DELETE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION audit_is_removed_below_a_cut();
CREATE TRIGGER audit_seals_are_never_emptied BEFORE TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();

CREATE TRIGGER audit_cuts_are_never_changed BEFORE UPDATE ON audit_cuts
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
CREATE TRIGGER audit_cuts_are_never_removed BEFORE DELETE ON audit_cuts
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
CREATE TRIGGER audit_cuts_are_never_emptied BEFORE TRUNCATE ON audit_cuts
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();
