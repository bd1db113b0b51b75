-- Who may write what; run after the migrations by a role that may create roles (the embedded database's owner is one).
-- A service logs in as `groundswell_SERVICE` where the database URL says `{role}`. Runs at every migration: idempotent.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['gateway', 'router', 'agents', 'tools', 'models'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'groundswell_' || name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', 'groundswell_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA groundswell TO %I', 'groundswell_' || name);
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = groundswell, langgraph', 'groundswell_' || name, current_database());
    END LOOP;
END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA groundswell TO groundswell_router, groundswell_agents, groundswell_tools, groundswell_models;
REVOKE ALL ON api_keys FROM groundswell_router, groundswell_agents, groundswell_tools, groundswell_models;

GRANT SELECT, INSERT, UPDATE ON api_keys TO groundswell_gateway;
GRANT SELECT ON schema_migrations TO groundswell_gateway;
GRANT SELECT, INSERT ON tenants TO groundswell_gateway;

GRANT INSERT ON runs, threads, idempotency, events TO groundswell_router;
GRANT UPDATE ON threads TO groundswell_router;
GRANT INSERT, DELETE ON workers TO groundswell_router;
GRANT UPDATE (last_event, steps, status, reason, epoch, cancelling, answer, error, ended) ON runs TO groundswell_router;
GRANT UPDATE (state, decision, decided_by, note) ON calls TO groundswell_router;
-- Retention: the router prunes what is its runs'.
GRANT UPDATE (pruned) ON runs TO groundswell_router;
GRANT UPDATE (arguments) ON calls TO groundswell_router;
GRANT UPDATE (body, kind) ON events TO groundswell_router;
GRANT INSERT ON evidence_sources TO groundswell_router;
GRANT UPDATE (created) ON evidence TO groundswell_router;  -- to lock
GRANT DELETE ON runs, threads, idempotency, events, calls, evidence, evidence_sources TO groundswell_router;
GRANT USAGE ON SCHEMA langgraph TO groundswell_router;
GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA langgraph TO groundswell_router;

GRANT USAGE ON SCHEMA langgraph TO groundswell_agents;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA langgraph TO groundswell_agents;
GRANT INSERT, UPDATE, DELETE ON workers TO groundswell_agents;
GRANT INSERT ON events TO groundswell_agents;
GRANT UPDATE (worker, epoch, status, reason, mode, last_event, steps, answer, error, started, ended, parked, waited) ON runs TO groundswell_agents;

GRANT INSERT ON events TO groundswell_tools, groundswell_models;
GRANT UPDATE (last_event, steps, tool_calls, tokens, money, bytes, reserved_tool_calls, reserved_tokens, reserved_money, reserved_bytes) ON runs TO groundswell_tools, groundswell_models;
GRANT INSERT, UPDATE ON calls, evidence, evidence_sources TO groundswell_tools, groundswell_models;
GRANT INSERT, UPDATE, DELETE ON code_files, code_repos TO groundswell_tools;
GRANT INSERT, UPDATE, DELETE ON collections, documents TO groundswell_tools;
