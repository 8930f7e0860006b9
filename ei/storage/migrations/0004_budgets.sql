-- What may be spent, and what is set aside for requests that are under way.

CREATE TABLE budget (
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    scope TEXT NOT NULL,                     -- day, month, provider, persona, conversation
    name TEXT NOT NULL DEFAULT '',           -- of the provider or the persona; the id of the conversation
    amount BIGINT NOT NULL,
    then_do TEXT NOT NULL,                   -- ask, stop, switch
    reference TEXT NOT NULL DEFAULT '',      -- JSON; what answers instead, with switch
    warned TEXT NOT NULL DEFAULT '',         -- the period in which the person was warned last
    PRIMARY KEY (owner, scope, name)
);

-- Models of unknown price that may be used all the same.
CREATE TABLE budget_allowed (
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    model TEXT NOT NULL,
    PRIMARY KEY (owner, model)
);

CREATE TABLE reservation (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL DEFAULT 'local' REFERENCES owner (id),
    amount BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until_ms BIGINT NOT NULL,
    interaction TEXT NOT NULL,
    triggered_by TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    persona TEXT,
    conversation TEXT,
    message TEXT,
    input_tokens BIGINT NOT NULL,            -- what was sent has no more than these
    input_price BIGINT NOT NULL,             -- nano-dollars per million tokens, the dearest that may be asked
    output_price BIGINT NOT NULL,
    fixed BIGINT NOT NULL,                   -- nano-dollars for the request itself
    hides BIGINT NOT NULL,                   -- it may think what it does not show
    approved BIGINT NOT NULL                 -- the person let it through over a budget
);

-- reserved_ms: when its money was set aside, which tells the period that it counts for. assumed: what counts against
-- budgets where the cost is not sure. approved: the person let it through over a budget.
ALTER TABLE calls ADD COLUMN reserved_ms BIGINT;
ALTER TABLE calls ADD COLUMN assumed BIGINT;
ALTER TABLE calls ADD COLUMN approved BIGINT;
