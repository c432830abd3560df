-- What one node at a time may do: the row is always there, and is taken by one UPDATE.
CREATE TABLE leases (
    name   TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);
INSERT INTO leases (name, holder, until) VALUES ('chores', '', 0);
