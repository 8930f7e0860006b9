-- How a reply came to be (JSON, NULL where nothing is known); whether a provider answered lately.
ALTER TABLE message ADD COLUMN info TEXT;
CREATE INDEX calls_provider ON calls (owner, provider, started_ms);
