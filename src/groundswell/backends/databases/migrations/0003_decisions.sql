-- What waits for a person: approvals expire, outcomes say what to look at, and the time a run waits is not its own.
ALTER TABLE runs ADD COLUMN parked timestamptz, ADD COLUMN waited float8 NOT NULL DEFAULT 0;  -- seconds
ALTER TABLE calls
    ADD COLUMN expires timestamptz, ADD COLUMN decision text NOT NULL DEFAULT '',
    ADD COLUMN decided_by text NOT NULL DEFAULT '', ADD COLUMN note text NOT NULL DEFAULT '';
CREATE INDEX calls_open ON calls (tenant, begun) WHERE state IN ('asked', 'unknown');
-- One effect at one place. What is only asked for is none yet: other arguments there are another request.
DROP INDEX calls_effect;
CREATE UNIQUE INDEX calls_effect ON calls (run, task, kind, n) WHERE effect AND state NOT IN ('asked', 'approved', 'denied');
-- Workers take from each tenant in turn.
CREATE INDEX runs_waiting_by_tenant ON runs (tenant, created) WHERE status IN ('queued', 'running');

-- As before, and a run that has ended takes no event, whoever brings it: its last one is its answer.
CREATE OR REPLACE FUNCTION append(of_run text, in_epoch int, facts jsonb) RETURNS int LANGUAGE plpgsql AS $$
DECLARE last int; owner text; over bool; k int := jsonb_array_length(facts); taken int;
BEGIN
    taken := (SELECT count(*) FROM jsonb_array_elements(facts) AS x (f) WHERE f ->> 'kind' = 'step' AND f -> 'body' ->> 'ns' = '');
    UPDATE runs SET last_event = last_event + CASE WHEN ended IS NULL THEN k ELSE 0 END, steps = steps + taken
        WHERE id = of_run AND (in_epoch IS NULL OR epoch = in_epoch AND status = 'running')
        RETURNING last_event, tenant, ended IS NOT NULL INTO last, owner, over;
    IF NOT FOUND THEN RAISE EXCEPTION 'epoch % of run % is over', in_epoch, of_run USING ERRCODE = 'GS001'; END IF;
    IF k > 0 AND NOT over THEN
        INSERT INTO events (tenant, run, number, fact, kind, body)
        SELECT owner, of_run, last - k + i, f ->> 'key', f ->> 'kind', f -> 'body'
            FROM jsonb_array_elements(facts) WITH ORDINALITY AS x (f, i);
    END IF;
    RETURN last;
END $$;
