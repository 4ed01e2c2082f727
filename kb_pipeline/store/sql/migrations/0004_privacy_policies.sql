-- What a parse fingerprint stands for, so that a stricter policy can be applied to elements stored under a looser one.

CREATE TABLE privacy_policies (
    parse_fingerprint  text PRIMARY KEY,
    parse_version      text NOT NULL,
    policy             jsonb NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE privacy_policies IS 'How the elements of each parse fingerprint were masked; holds no values and no key.';
COMMENT ON COLUMN privacy_policies.parse_version IS 'Everything else that a parse fingerprint depends on, the key included.';

ALTER TABLE sources ADD COLUMN names_policy text;
COMMENT ON COLUMN sources.names_policy IS 'The policies under which every path of the source was last found masked as it should be.';
COMMENT ON COLUMN documents.path IS 'Relative to the source; personal data in names is masked, otherwise as the file system spells it.';
