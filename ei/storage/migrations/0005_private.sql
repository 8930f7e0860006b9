-- What stays on this machine: 1 a conversation that the person marked so.
ALTER TABLE conversation ADD COLUMN private BIGINT NOT NULL DEFAULT 0;
-- 1: a private persona said it or was told it. 2: the person let it leave after all, whoever said it.
ALTER TABLE message ADD COLUMN private BIGINT NOT NULL DEFAULT 0;
CREATE INDEX message_private ON message (conversation) WHERE private = 1;
