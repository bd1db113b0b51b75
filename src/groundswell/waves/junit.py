"""A verification as JUnit's XML, which every CI reads: a suite a wave, a case a line."""

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from groundswell.core.records import Report
from groundswell.waves.plan import Plan
from groundswell.waves.verifying import judged_again


def document(report: Report, ledger: Plan, waves: Sequence[int]) -> str:
    """The whole document. A line that a place need not prove and did not is skipped, never passed."""
    found, _ = judged_again(ledger, report)
    root = Xml.Element("testsuites", name="groundswell verify")
    for number in waves:
        suite = Xml.SubElement(root, "testsuite", name=f"wave {number}", timestamp=report.started.isoformat())
        for line in ledger.of(number):
            verdict = found[line.id]
            case = Xml.SubElement(suite, "testcase", classname=f"wave{number}", name=f"{line.id}: {line.words}")
            if verdict.status == "pass":
                continue
            kind = {"fail": "failure", "unknown": "error"}.get(verdict.status, "skipped")
            if kind == "skipped" and verdict.required:
                kind = "failure"
            Xml.SubElement(case, kind, message=verdict.reason or verdict.status)
        cases = list(suite)
        suite.set("tests", str(len(cases)))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
