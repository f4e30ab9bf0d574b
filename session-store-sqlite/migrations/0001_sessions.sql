-- Layout 1 of a table of sessions, with the default names of the store. Times are
-- milliseconds since the Unix epoch, by SQLite's clock.

CREATE TABLE "sessions" ( -- session-store layout 1
    key          BLOB    NOT NULL UNIQUE CHECK (length(key) = 32), -- SHA-256 of the session ID: it cannot be turned back into the cookie
    owner        TEXT,                                             -- the user's name, if the session belongs to one
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,                                 -- moved by every touch, so in no index
    deadline     INTEGER NOT NULL,
    prune_at     INTEGER NOT NULL,                                 -- when to look whether the session has expired; never after expires_at
    version      BLOB    NOT NULL,                                 -- 16 random bytes, new with every write
    data         BLOB    NOT NULL
) STRICT;

CREATE INDEX "sessions.owner" ON "sessions" (owner, key) WHERE owner IS NOT NULL;

CREATE INDEX "sessions.prune_at" ON "sessions" (prune_at);
