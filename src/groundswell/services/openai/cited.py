"""An answer as a chat shows it: its text with the numbers of its citations, and what each number stands for."""

from typing import Any

from groundswell.core.records import Answer, Run


def text_of(run: Run) -> str:
    """The whole reply."""
    answer = run.answer or Answer()
    numbers = numbered(answer)
    parts = [_marked(answer, numbers)] if answer.text.strip() else []
    if not parts and not answer.question:
        parts.append(_why_not(run, answer))
    if answer.question:
        parts.append(answer.question)
    if answer.ranked:
        parts.append("\n".join(f"- {ranked.source}" for ranked in answer.ranked[:10]))
    parts += answer.notes
    if numbers:
        parts.append("\n".join(f"[{number}] {source}" for source, number in numbers.items()))
    return "\n\n".join(part for part in parts if part)


def numbered(answer: Answer) -> dict[str, int]:
    """The number of every source that is cited, in the order in which they come."""
    sources = dict.fromkeys(citation.source for claim in answer.claims for citation in claim.citations)
    return {source: number for number, source in enumerate(sources, 1)}


def extension(run: Run) -> dict[str, Any]:
    """What OpenAI has no field for: the run, its claims with their evidence, and how it was answered."""
    answer = run.answer or Answer()
    numbers = numbered(answer)
    claims = [
        {
            "text": claim.text,
            "kind": claim.kind,
            "confidence": claim.confidence,
            "citations": [
                {**citation.model_dump(), "number": numbers[citation.source]} for citation in claim.citations
            ],
        }
        for claim in answer.claims
    ]
    return {
        "run": run.id,
        "thread": run.thread,
        "agent": run.agent,
        "status": run.status,
        "reason": run.reason,
        "mode": run.mode,
        "claims": claims,
        "missing": list(answer.missing),
        "needs_model": answer.needs_model,
        "question": answer.question,
        "dropped": answer.dropped,
    }


def usage_of(run: Run) -> dict[str, int]:
    """What the run's models used. Runs keep the sum: what they said is estimated by the answer's length."""
    total = run.spent.tokens
    said = min(total, len((run.answer or Answer()).text) // 4)
    return {"prompt_tokens": total - said, "completion_tokens": said, "total_tokens": total}


def _why_not(run: Run, answer: Answer) -> str:
    if run.status == "exhausted":
        return f"Stopped at a limit: {run.reason.replace('_', ' ')}."
    if run.status == "cancelled":
        return "Cancelled."
    if answer.needs_model:
        return "This needs a model, and none is configured."
    return "Not found: nothing in the sources bears out an answer."


def _marked(answer: Answer, numbers: dict[str, int]) -> str:
    """The text with each claim's numbers behind it."""
    text, after = answer.text, 0
    for claim in answer.claims:
        at = text.find(claim.text, after)
        if at < 0:
            continue
        end = at + len(claim.text)
        marks = "".join(f"[{number}]" for number in dict.fromkeys(numbers[c.source] for c in claim.citations))
        note = " (inference)" if claim.kind == "inferred" else ""
        text = f"{text[:end]} {marks}{note}{text[end:]}"
        after = end + len(marks) + len(note) + 1
    return text
