"""Keep an agent to the tools it was granted."""

from groundswell.core.policy import ALLOW, Grant, ToolCall, Verdict, deny, policy


@policy
def allowed_tools(call: ToolCall, grant: Grant) -> Verdict:
    """Refuse every tool that is not on the agent's list."""
    if call.tool in grant.tools:
        return ALLOW
    listed = ", ".join(sorted(grant.tools)) or "no tool at all"
    hint = f"it may call: {listed}; `tools` of [tenants.{grant.tenant}] in policy.toml narrows what it declares"
    return deny("tool_not_allowed", f"agent {call.agent!r} may not call {call.tool!r}", hint)
