DROP TRIGGER audit_events_are_never_changed;
DROP TRIGGER audit_events_are_never_removed;

-- Folded in the program from now on; what is there already is folded as far as SQL can.
ALTER TABLE audit_events ADD COLUMN actor_name_fold TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN target_name_fold TEXT NOT NULL DEFAULT '';
UPDATE audit_events SET actor_name_fold = lower(actor_name), target_name_fold = lower(target_name);

CREATE INDEX audit_events_by_tenant ON audit_events (tenant_id, id);
CREATE INDEX audit_events_by_number ON audit_events (tenant_id, number);
CREATE INDEX audit_events_by_actor ON audit_events (tenant_id, actor_id);
CREATE INDEX audit_events_by_target ON audit_events (tenant_id, target_id);

-- Which event stands where: its MAC covers all its columns and the MAC before it.
CREATE TABLE audit_chain (
    position BIGINT PRIMARY KEY NOT NULL,
    event_id BIGINT NOT NULL UNIQUE,
    mac      BLOB NOT NULL
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
    head           BLOB NOT NULL,
    key_id         TEXT NOT NULL,
    epoch_first    BIGINT NOT NULL,
    mac            BLOB NOT NULL
);

-- Up to where events were removed because their time was over, and what the chain goes on from.
CREATE TABLE audit_cuts (
    position BIGINT PRIMARY KEY NOT NULL,
    seal_id  BIGINT NOT NULL,
    head     BLOB NOT NULL,
    cut_at   BIGINT NOT NULL,
    removed  BIGINT NOT NULL,
    key_id   TEXT NOT NULL,
    mac      BLOB NOT NULL
);

CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_chain_is_never_changed BEFORE UPDATE ON audit_chain
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_seals_are_never_changed BEFORE UPDATE ON audit_seals
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_cuts_are_never_changed BEFORE UPDATE ON audit_cuts
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;

-- Removed is only what lies at or below a cut.
CREATE TRIGGER audit_events_are_never_removed BEFORE DELETE ON audit_events
WHEN NOT EXISTS (
    SELECT 1 FROM audit_chain
    WHERE event_id = OLD.id AND position <= (SELECT max(position) FROM audit_cuts)
)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_chain_is_never_removed BEFORE DELETE ON audit_chain
WHEN NOT EXISTS (SELECT 1 FROM audit_cuts WHERE position >= OLD.position)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_seals_are_never_removed BEFORE DELETE ON audit_seals
WHEN NOT EXISTS (SELECT 1 FROM audit_cuts WHERE position >= OLD.last_position)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_cuts_are_never_removed BEFORE DELETE ON audit_cuts
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;

-- INSERT OR REPLACE removes what is in its way without asking the triggers above.
CREATE TRIGGER audit_events_are_never_replaced BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_chain_is_never_replaced BEFORE INSERT ON audit_chain
WHEN EXISTS (SELECT 1 FROM audit_chain WHERE position = NEW.position OR event_id = NEW.event_id)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_seals_are_never_replaced BEFORE INSERT ON audit_seals
WHEN EXISTS (SELECT 1 FROM audit_seals WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
CREATE TRIGGER audit_cuts_are_never_replaced BEFORE INSERT ON audit_cuts
WHEN EXISTS (SELECT 1 FROM audit_cuts WHERE position = NEW.position)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END;
