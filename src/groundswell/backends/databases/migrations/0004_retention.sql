-- What is pruned, and when it is due. `pruned` names a run's parts that are gone: part → {at, reason}. Each index holds
-- only the runs that still have the part, so that a look for what is due reads nothing else.
ALTER TABLE runs ADD COLUMN pruned jsonb NOT NULL DEFAULT '{}';
CREATE INDEX runs_due_checkpoints ON runs (ended) WHERE ended IS NOT NULL AND NOT pruned ? 'checkpoints';
CREATE INDEX runs_due_calls ON runs (ended) WHERE ended IS NOT NULL AND NOT pruned ? 'calls';
CREATE INDEX runs_due_events ON runs (ended) WHERE ended IS NOT NULL AND NOT pruned ? 'events';
CREATE INDEX runs_due_evidence ON runs (ended) WHERE ended IS NOT NULL AND NOT pruned ? 'evidence';
CREATE INDEX runs_due ON runs (ended) WHERE ended IS NOT NULL;
CREATE INDEX idempotency_run ON idempotency (run);

-- What an index of a repository was last used for; a row for each (tenant, repo) of code_files.
CREATE TABLE code_repos (
    tenant text NOT NULL, repo text NOT NULL, used timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (tenant, repo)
);
INSERT INTO code_repos (tenant, repo) SELECT DISTINCT tenant, repo FROM code_files;
