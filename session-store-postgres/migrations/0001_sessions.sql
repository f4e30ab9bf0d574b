-- Layout 1 of a table of sessions, with the names that the store uses unless it is told others. Times are
-- milliseconds since the Unix epoch, by the server's clock.

CREATE TABLE "public"."sessions" (
    key          bytea  NOT NULL,  -- SHA-256 of the session ID: it cannot be turned back into the cookie
    owner        bytea,            -- the user's name in UTF-8, if the session belongs to one
    created_at   bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    expires_at   bigint NOT NULL,  -- moved by every touch, so in no index
    deadline     bigint NOT NULL,
    prune_at     bigint NOT NULL,  -- when to look whether the session has expired; never after expires_at
    version      bytea  NOT NULL,  -- 16 random bytes, new with every write
    data         bytea  NOT NULL,
    CONSTRAINT "sessions_primary_key_index_of_a_table_of_session_store" PRIMARY KEY (key)
) WITH (fillfactor = 70);          -- room for touches to stay on their page, without work on any index (HOT)

CREATE INDEX "sessions_owner_index_of_a_table_of_session_store" ON "public"."sessions" (owner, key)
    WHERE owner IS NOT NULL;

CREATE INDEX "sessions_prune_at_index_of_a_table_of_session_store" ON "public"."sessions" (prune_at);

COMMENT ON TABLE "public"."sessions" IS 'session-store layout 1';
