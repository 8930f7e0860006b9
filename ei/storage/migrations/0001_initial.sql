-- Times are milliseconds since 1970, money is nano-dollars, JSON is text.
-- Every row that is referred to has a small integer key inside this database; what the rest of the program
-- sees is the UUIDv7 beside it. AUTOINCREMENT (elsewhere: GENERATED ALWAYS AS IDENTITY) never gives a key twice,
-- so the text index, which knows keys only, can never point at another message.

CREATE TABLE owner (
    id TEXT PRIMARY KEY,
    created_ms BIGINT NOT NULL
);
INSERT INTO owner (id, created_ms) VALUES ('local', 0);

CREATE TABLE persona (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    name TEXT NOT NULL,
    current_conversation BIGINT,             -- key of the one that /persona NAME goes to
    visited_ms BIGINT NOT NULL DEFAULT 0,    -- when the person was last there
    UNIQUE (owner, name)
);

CREATE TABLE conversation (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    persona BIGINT NOT NULL REFERENCES persona (key),
    title TEXT NOT NULL DEFAULT '',
    head BIGINT NOT NULL DEFAULT 0,          -- key of the newest message of the current path, 0 when empty
    read_key BIGINT NOT NULL DEFAULT 0,      -- messages up to this key were seen
    reply_key BIGINT NOT NULL DEFAULT 0,     -- the newest reply that has ended
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    model_here TEXT,
    parameters TEXT NOT NULL DEFAULT '{}',
    last_model TEXT NOT NULL DEFAULT '',
    forked_from TEXT NOT NULL DEFAULT ''
);
CREATE INDEX conversation_newest ON conversation (owner, updated_ms);
CREATE INDEX conversation_of_persona ON conversation (persona, updated_ms);
CREATE INDEX conversation_unread ON conversation (owner) WHERE reply_key > read_key;

-- The long columns come last: walking the tree then never reads them.
CREATE TABLE message (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation BIGINT NOT NULL REFERENCES conversation (key),
    parent BIGINT NOT NULL,                  -- key; 0 for the first message, -1 while queued
    depth BIGINT NOT NULL,                   -- 1 for the first message, 0 while queued
    role TEXT NOT NULL,
    author TEXT NOT NULL DEFAULT '',
    addressee TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    lease_owner TEXT NOT NULL DEFAULT '',
    lease_until_ms BIGINT NOT NULL DEFAULT 0,
    model TEXT NOT NULL DEFAULT '',
    reference TEXT NOT NULL DEFAULT '',
    resolved_by TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL,
    parts TEXT                               -- JSON; NULL when the message is its text and nothing else
);
CREATE INDEX message_siblings ON message (conversation, parent, role);
CREATE INDEX message_of_conversation ON message (conversation, key);
CREATE INDEX message_streaming ON message (lease_until_ms) WHERE state = 'streaming';

-- Which child of a message was chosen, where it is not simply the newest. parent 0 stands before the first message.
CREATE TABLE choice (
    conversation BIGINT NOT NULL REFERENCES conversation (key),
    parent BIGINT NOT NULL,
    child BIGINT NOT NULL,
    PRIMARY KEY (conversation, parent)
);

-- Heads that were taken back; the highest position comes back first.
CREATE TABLE redo (
    conversation BIGINT NOT NULL REFERENCES conversation (key),
    position BIGINT NOT NULL,
    head BIGINT NOT NULL,
    PRIMARY KEY (conversation, position)
);

-- Calls outlive what they were made for: a deletion empties conversation, message and persona, and keeps the rest.
-- NULL is unknown, never 0.
CREATE TABLE calls (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    started_ms BIGINT NOT NULL,
    interaction TEXT NOT NULL,
    persona TEXT,
    conversation TEXT,
    message TEXT,
    grouping TEXT,
    comparing BIGINT,
    blind BIGINT,
    chosen BIGINT,
    triggered_by TEXT,
    attempt BIGINT,
    iteration BIGINT,
    fallback BIGINT,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    profile TEXT,
    reference TEXT,
    resolved_by TEXT,
    input_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    estimated BIGINT,
    cost BIGINT,
    cost_source TEXT,
    first_token_ms BIGINT,
    total_ms BIGINT,
    outcome TEXT NOT NULL,
    status BIGINT,
    error TEXT
);
CREATE INDEX calls_started ON calls (owner, started_ms);
CREATE INDEX calls_conversation ON calls (conversation) WHERE conversation IS NOT NULL;
CREATE INDEX calls_message ON calls (message) WHERE message IS NOT NULL;
CREATE INDEX calls_persona ON calls (persona) WHERE persona IS NOT NULL;

CREATE TABLE state (
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (owner, name)
);

CREATE TABLE learned (
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    learned_ms BIGINT NOT NULL,
    PRIMARY KEY (owner, model, name)
);
