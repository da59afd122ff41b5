-- Times are nanoseconds since the epoch, but for the starts of episodes, which are milliseconds.
-- To look at them: datetime(started_at / 1000000000, 'unixepoch').

-- What was run, by digest: editing a file never changes a run in flight.
CREATE TABLE texts (
  digest TEXT PRIMARY KEY,
  text   TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
  id          INTEGER PRIMARY KEY,     -- order of admission: also the order within a concurrency key
  run         TEXT NOT NULL UNIQUE,
  playbook    TEXT NOT NULL,
  digest      TEXT NOT NULL,
  started_for TEXT NOT NULL,           -- firing, resolved
  scope       TEXT NOT NULL,
  target      TEXT NOT NULL,
  labels      TEXT NOT NULL,           -- JSON
  status      TEXT NOT NULL,
  reason      TEXT NOT NULL,
  started_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  finished_at INTEGER,
  due         INTEGER,                 -- when a parked run goes on by itself
  seq         INTEGER NOT NULL,        -- length of its journal
  epoch       INTEGER NOT NULL,        -- grows with each taking
  owner       TEXT,                    -- JSON; none while parked and when over
  lease_until INTEGER,
  key         TEXT,                    -- its concurrency key
  granted     INTEGER NOT NULL         -- whether it holds its key, or needs none
) STRICT;
CREATE INDEX runs_unfinished ON runs (id) WHERE finished_at IS NULL;
CREATE INDEX runs_by_key ON runs (key, id) WHERE key IS NOT NULL AND finished_at IS NULL;

-- The journal.
CREATE TABLE events (
  id    INTEGER PRIMARY KEY,
  run   INTEGER NOT NULL,
  seq   INTEGER NOT NULL,
  at    INTEGER NOT NULL,
  event TEXT NOT NULL                  -- JSON
) STRICT;
CREATE UNIQUE INDEX events_by_run ON events (run, seq);

CREATE TABLE signals (
  id     INTEGER PRIMARY KEY,
  run    INTEGER NOT NULL,
  signal TEXT NOT NULL,                -- its own id
  kind   TEXT NOT NULL,                -- JSON
  taken  INTEGER NOT NULL DEFAULT 0    -- whether it is in the journal
) STRICT;
CREATE UNIQUE INDEX signals_by_run ON signals (run, signal);

CREATE TABLE episodes (
  id           INTEGER PRIMARY KEY,
  scope        TEXT NOT NULL,
  fingerprint  TEXT NOT NULL,
  starts_at    INTEGER NOT NULL,       -- its first startsAt, its key
  latest_start INTEGER NOT NULL,       -- the latest startsAt that belonged to it
  last_firing  INTEGER,
  ends_at      INTEGER,
  closed_at    INTEGER
) STRICT;
CREATE UNIQUE INDEX episodes_by_alert ON episodes (scope, fingerprint, starts_at);

-- One run for (playbook, episode, status): the key decides it. It outlives the run.
CREATE TABLE claims (
  episode     INTEGER NOT NULL,
  playbook    TEXT NOT NULL,
  started_for TEXT NOT NULL,
  run         TEXT NOT NULL,
  PRIMARY KEY (episode, playbook, started_for)
) STRICT, WITHOUT ROWID;

CREATE TABLE gates (
  key   TEXT PRIMARY KEY,
  state TEXT NOT NULL                  -- JSON
) STRICT, WITHOUT ROWID;

-- What was put off, and is offered again.
CREATE TABLE later (
  playbook    TEXT NOT NULL,
  scope       TEXT NOT NULL,
  target      TEXT NOT NULL,
  started_for TEXT NOT NULL,
  alerts      TEXT NOT NULL,           -- JSON
  closed      TEXT NOT NULL,           -- JSON: why
  until       INTEGER,
  since       INTEGER NOT NULL,
  PRIMARY KEY (playbook, scope, target)
) STRICT;

-- Alerts of our own that stand in Alertmanager.
CREATE TABLE raised (
  id    TEXT PRIMARY KEY,
  alert TEXT NOT NULL                  -- JSON
) STRICT, WITHOUT ROWID;
