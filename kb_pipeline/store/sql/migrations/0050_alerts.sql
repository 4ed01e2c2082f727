-- Which conditions a person was told of, and how the telling goes.

ALTER TABLE sources ADD held_deletions integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN sources.held_deletions IS 'Documents that are gone from it and stay until a person confirms that, as the last look found.';

CREATE TABLE told_alerts (
    kind    text NOT NULL,
    subject text NOT NULL,
    state   text NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, subject)
);
COMMENT ON TABLE told_alerts IS 'Conditions that last and of which a message spoke; one that ends leaves.';

CREATE TABLE alert_delivery (
    id         integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    not_before timestamptz NOT NULL DEFAULT now(),
    attempts   integer NOT NULL DEFAULT 0,
    problem    text,
    told_at    timestamptz
);
COMMENT ON COLUMN alert_delivery.attempts IS 'How often in a row no message could be delivered.';
COMMENT ON COLUMN alert_delivery.problem IS 'Why the last one could not be; null when it could.';
INSERT INTO alert_delivery DEFAULT VALUES;
