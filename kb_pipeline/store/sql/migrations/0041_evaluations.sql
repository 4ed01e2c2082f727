-- How well a generation answered the questions of a set, each time it was measured, and each question for itself: so
-- that two measurements can be compared question by question.

CREATE TABLE evaluations (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    set_name       text NOT NULL,
    split          text,
    generation     text NOT NULL,
    model          text NOT NULL,
    fusion_weight  double precision,
    asked          integer NOT NULL,
    gone           integer NOT NULL,
    figures        jsonb NOT NULL,
    measured_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN evaluations.split IS 'Of the questions that were asked; null: all.';
COMMENT ON COLUMN evaluations.fusion_weight IS 'That was tried instead of the settings''; null: theirs.';
COMMENT ON COLUMN evaluations.gone IS 'Questions that could not be asked, for their documents are gone.';
CREATE INDEX evaluations_series ON evaluations (set_name, generation, id);

CREATE TABLE evaluation_results (
    evaluation_id  bigint NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,
    question_id    bigint NOT NULL REFERENCES evaluation_questions (id) ON DELETE CASCADE,
    places         integer NOT NULL,
    ranks          integer[] NOT NULL,
    ndcg           double precision NOT NULL,
    is_split       boolean NOT NULL,
    PRIMARY KEY (evaluation_id, question_id)
);
COMMENT ON COLUMN evaluation_results.ranks IS 'At which its places were found, in order.';
CREATE INDEX evaluation_results_question ON evaluation_results (question_id);
