-- What is known of models. Prices are nano-dollars per million tokens. NULL is unknown, never 0.
CREATE TABLE model (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    tier TEXT NOT NULL DEFAULT '',
    tier_reason TEXT NOT NULL DEFAULT '',
    input_price BIGINT,
    cached_price BIGINT,
    cache_write_price BIGINT,
    output_price BIGINT,
    price_source TEXT NOT NULL DEFAULT '',
    price_ms BIGINT,                         -- when the price was learned
    context BIGINT,
    max_output BIGINT,
    capabilities TEXT,                       -- words with a space between them
    sampling BIGINT,
    chat BIGINT NOT NULL DEFAULT 1,
    active BIGINT NOT NULL DEFAULT 1,
    tier_default BIGINT NOT NULL DEFAULT 0,
    disabled BIGINT NOT NULL DEFAULT 0,
    added BIGINT NOT NULL DEFAULT 0,
    by_hand TEXT NOT NULL DEFAULT '',        -- what the person set: words with a space between them
    first_seen_ms BIGINT NOT NULL,
    synced_ms BIGINT NOT NULL DEFAULT 0,     -- when its provider listed it last
    created_ms BIGINT,
    shutdown TEXT NOT NULL DEFAULT '',
    aliases TEXT NOT NULL DEFAULT '[]',      -- JSON
    UNIQUE (owner, provider, name)
);

-- Every change of a model; the highest key also tells whether anything changed since it was read.
CREATE TABLE model_log (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    at_ms BIGINT NOT NULL,
    model TEXT NOT NULL,
    what TEXT NOT NULL,
    value_before TEXT NOT NULL,
    value_after TEXT NOT NULL,
    changed_by TEXT NOT NULL
);
CREATE INDEX model_log_of_model ON model_log (owner, model, key);

-- When each provider last gave its list.
CREATE TABLE synced (
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    provider TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (owner, provider)
);

-- What a person was told once and is not told again.
CREATE TABLE told (
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    what TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (owner, what)
);
