-- Which tenants there are: as soon as there is a second one, nobody reads what `policy.toml` does not list.
CREATE TABLE tenants (tenant text PRIMARY KEY, created timestamptz NOT NULL DEFAULT clock_timestamp());

INSERT INTO tenants (tenant) SELECT tenant FROM api_keys UNION SELECT tenant FROM runs;

-- Who asked, as the gateway has said it: {"local": true}, or the user and the groups that a cluster knows.
ALTER TABLE runs ADD COLUMN subject jsonb NOT NULL DEFAULT '{}';
