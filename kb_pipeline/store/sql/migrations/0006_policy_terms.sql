-- The lists of a site name what it hides; only keyed hashes of them are stored from here on.

UPDATE privacy_policies SET policy = policy - '{allow,allow_patterns,deny,deny_patterns}'::text[];
COMMENT ON COLUMN privacy_policies.policy IS 'Actions by entity, and keyed hashes of the terms that are always or never masked.';
