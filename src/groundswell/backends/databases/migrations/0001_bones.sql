-- The first schema. One transaction. Every table names its tenant, but for `workers` (processes, which serve all) and
-- LangGraph's own (their thread is a run, which has one). The tables of `langgraph` are those that PostgresSaver.setup()
-- makes in the pinned release; a test compares them. Its three CREATE INDEX CONCURRENTLY are left out: each is a prefix
-- of its table's primary key.
CREATE SCHEMA langgraph;

CREATE TABLE threads (
    tenant text NOT NULL, id text NOT NULL, title text NOT NULL,
    created timestamptz NOT NULL DEFAULT clock_timestamp(), updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, id)
);

CREATE TABLE runs (
    id text PRIMARY KEY, tenant text NOT NULL, thread text NOT NULL, agent text NOT NULL, caller text NOT NULL,
    input jsonb NOT NULL, call jsonb, sources jsonb NOT NULL, granted jsonb NOT NULL,
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled', 'exhausted')),
    reason text NOT NULL DEFAULT '', mode text NOT NULL DEFAULT 'L3',
    worker text, epoch int NOT NULL DEFAULT 0, last_event int NOT NULL DEFAULT 0, cancelling bool NOT NULL DEFAULT false,
    budget jsonb NOT NULL, route jsonb, answer jsonb, error jsonb,
    -- what is used, and what calls in flight have reserved
    steps int NOT NULL DEFAULT 0, tool_calls int NOT NULL DEFAULT 0, tokens bigint NOT NULL DEFAULT 0,
    money float8 NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
    reserved_tool_calls int NOT NULL DEFAULT 0, reserved_tokens bigint NOT NULL DEFAULT 0,
    reserved_money float8 NOT NULL DEFAULT 0, reserved_bytes bigint NOT NULL DEFAULT 0,
    created timestamptz NOT NULL DEFAULT clock_timestamp(), started timestamptz, ended timestamptz
) WITH (fillfactor = 50);  -- updated in place many times; no index names a column that changes often
CREATE INDEX runs_open ON runs (created) WHERE status IN ('queued', 'running');
CREATE INDEX runs_listed ON runs (tenant, created DESC, id DESC);
CREATE INDEX runs_thread ON runs (tenant, thread, created);

CREATE TABLE idempotency (
    tenant text NOT NULL, caller text NOT NULL, key text NOT NULL, request_digest text NOT NULL, run text NOT NULL,
    created timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (tenant, caller, key)
);

CREATE TABLE workers (id text PRIMARY KEY, alive_until timestamptz NOT NULL);

CREATE TABLE events (
    tenant text NOT NULL, run text NOT NULL, number int NOT NULL, fact text NOT NULL, kind text NOT NULL,
    body jsonb NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, number), UNIQUE (run, fact)
);

CREATE TABLE calls (
    tenant text NOT NULL, run text NOT NULL, checkpoint_ns text NOT NULL, checkpoint text NOT NULL, task text NOT NULL,
    kind text NOT NULL, request_digest text NOT NULL, n int NOT NULL, effect bool NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'approved', 'denied', 'intended', 'done', 'unknown')),
    attempt int NOT NULL, epoch int NOT NULL, acting_until timestamptz NOT NULL,
    arguments jsonb NOT NULL, result jsonb, reply_digest text,
    tokens bigint NOT NULL DEFAULT 0, money float8 NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
    begun timestamptz NOT NULL DEFAULT clock_timestamp(), done_at timestamptz,
    PRIMARY KEY (run, task, kind, request_digest, n)
);
CREATE UNIQUE INDEX calls_effect ON calls (run, task, kind, n) WHERE effect;

CREATE TABLE evidence (
    tenant text NOT NULL, digest text NOT NULL, body text NOT NULL,
    created timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (tenant, digest)
);
-- Where the bytes came from; the same bytes may come from several places and serve several runs.
CREATE TABLE evidence_sources (
    tenant text NOT NULL, digest text NOT NULL, run text NOT NULL, source text NOT NULL, origin text NOT NULL,
    truncated bool NOT NULL, retrieved timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, digest, run, source),
    FOREIGN KEY (tenant, digest) REFERENCES evidence (tenant, digest) ON DELETE CASCADE
);
CREATE INDEX evidence_sources_run ON evidence_sources (run);

CREATE TABLE api_keys (
    tenant text NOT NULL, id text NOT NULL, name text NOT NULL, caller text NOT NULL, hash text NOT NULL UNIQUE,
    scopes text[] NOT NULL, created timestamptz NOT NULL DEFAULT clock_timestamp(), used timestamptz,
    revoked timestamptz, PRIMARY KEY (tenant, id)
);

-- What one file of a repository says, by its content: an index is made again only for what changed.
CREATE TABLE code_files (
    tenant text NOT NULL, repo text NOT NULL, path text NOT NULL, blob text NOT NULL, facts bytea NOT NULL,
    PRIMARY KEY (tenant, repo, path)
);

-- The fence, the row's lock and the numbering in one statement, in every transaction that writes about a run. A null
-- epoch is for those who write under the lock alone: the router, and the settling of a call. A run that ended takes none.
CREATE FUNCTION append(of_run text, in_epoch int, facts jsonb) RETURNS int LANGUAGE plpgsql AS $$
DECLARE last int; owner text; k int := jsonb_array_length(facts); taken int;
BEGIN
    taken := (SELECT count(*) FROM jsonb_array_elements(facts) AS x (f) WHERE f ->> 'kind' = 'step' AND f -> 'body' ->> 'ns' = '');
    UPDATE runs SET last_event = last_event + k, steps = steps + taken
        WHERE id = of_run AND (in_epoch IS NULL OR epoch = in_epoch AND status = 'running')
        RETURNING last_event, tenant INTO last, owner;
    IF NOT FOUND THEN RAISE EXCEPTION 'epoch % of run % is over', in_epoch, of_run USING ERRCODE = 'GS001'; END IF;
    IF k > 0 THEN
        INSERT INTO events (tenant, run, number, fact, kind, body)
        SELECT owner, of_run, last - k + i, f ->> 'key', f ->> 'kind', f -> 'body'
            FROM jsonb_array_elements(facts) WITH ORDINALITY AS x (f, i);
    END IF;
    RETURN last;
END $$;

CREATE TABLE langgraph.checkpoint_migrations (v integer PRIMARY KEY);
INSERT INTO langgraph.checkpoint_migrations SELECT generate_series(0, 9);  -- setup() finds nothing to do
CREATE TABLE langgraph.checkpoints (
    thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '', checkpoint_id text NOT NULL, parent_checkpoint_id text,
    type text, checkpoint jsonb NOT NULL, metadata jsonb NOT NULL DEFAULT '{}', PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE TABLE langgraph.checkpoint_blobs (
    thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '', channel text NOT NULL, version text NOT NULL,
    type text NOT NULL, blob bytea, PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
);
CREATE TABLE langgraph.checkpoint_writes (
    thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '', checkpoint_id text NOT NULL, task_id text NOT NULL,
    idx integer NOT NULL, channel text NOT NULL, type text, blob bytea NOT NULL, task_path text NOT NULL DEFAULT '',
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);
