-- What is known of the alert of an episode, so that its end can be told by its labels when no delivery does.
ALTER TABLE episodes ADD COLUMN alert TEXT;                                   -- JSON, in the shape of API v2
CREATE INDEX episodes_open ON episodes (scope, id) WHERE closed_at IS NULL AND alert IS NOT NULL;
