-- +goose Up

-- Every event, in the order of commit. Position comes from the counter below,
-- so that a position is never used twice, even when old events are removed.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    stream      TEXT    NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq > 0),
    application TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    time        INTEGER NOT NULL,
    seed_len    INTEGER NOT NULL,
    body        BLOB    NOT NULL,
    UNIQUE (stream, seq)
) STRICT;
-- The rowid is the position: this finds an application's events in order.
CREATE INDEX events_application ON events (application);

CREATE TABLE counters (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('position', 0);

-- Records of every kind, as JSON, with the columns that they are found by.
CREATE TABLE records (
    kind        TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    application TEXT    NOT NULL,
    parent      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    live        INTEGER NOT NULL,
    doc         TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX records_application ON records (application, kind, id);
CREATE INDEX records_parent ON records (parent, kind, id) WHERE parent <> '';
CREATE INDEX records_key ON records (key, kind, id) WHERE key <> '';
CREATE INDEX records_live ON records (kind, id) WHERE live = 1;
CREATE UNIQUE INDEX records_live_key ON records (kind, application, key) WHERE live = 1 AND key <> '';

-- One row for each event on its way to each webhook; number orders them by
-- their first attempt.
CREATE TABLE deliveries (
    number     INTEGER PRIMARY KEY,
    webhook    TEXT    NOT NULL,
    event_id   TEXT    NOT NULL,
    stream     TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    event_type TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    status     INTEGER NOT NULL,
    error      TEXT    NOT NULL,
    latency_ms INTEGER NOT NULL,
    response   TEXT    NOT NULL,
    first_time INTEGER NOT NULL,
    last_time  INTEGER NOT NULL,
    next_time  INTEGER NOT NULL,
    UNIQUE (event_id, webhook)
) STRICT;
CREATE INDEX deliveries_webhook ON deliveries (webhook);
CREATE INDEX deliveries_open ON deliveries (webhook, state) WHERE state <> 'succeeded';

-- How far each webhook has got in each stream; the empty stream is its
-- watermark over all streams.
CREATE TABLE cursors (
    webhook  TEXT    NOT NULL,
    stream   TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (webhook, stream)
) STRICT, WITHOUT ROWID;
