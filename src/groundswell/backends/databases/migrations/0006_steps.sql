-- As before, but a superstep of a subgraph counts as one of the run's.
CREATE OR REPLACE FUNCTION append(of_run text, in_epoch int, facts jsonb) RETURNS int LANGUAGE plpgsql AS $$
DECLARE last int; owner text; over bool; k int := jsonb_array_length(facts); taken int;
BEGIN
    taken := (SELECT count(*) FROM jsonb_array_elements(facts) AS x (f) WHERE f ->> 'kind' = 'step');
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
