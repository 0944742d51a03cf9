"""Results as JUnit XML, the form that continuous integration reads: a suite a part, a test a case."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from harness.results import CHAOTIC, FAILS, Results
from reports.findings import Finding, findings
from reports.text import shown


def junit(results: Results) -> str:
    """The document. A failure is a `failure`; what is chaotic is `skipped`: neither passed nor failed."""
    found = sorted(findings(results), key=lambda finding: finding.part)  # stable: the worst of each part stays first
    root = ElementTree.Element("testsuites", _counts("lstm-parity", found))
    for part, members in groupby(found, key=lambda finding: finding.part):
        tests = list(members)
        suite = ElementTree.SubElement(root, "testsuite", _counts(part, tests))
        for test in tests:
            _case(suite, test)
    if results.verdict == FAILS and not any(finding.verdict == FAILS for finding in found):
        case = ElementTree.SubElement(ElementTree.SubElement(root, "testsuite", name="verdict"), "testcase", name="run")
        ElementTree.SubElement(case, "failure", message="does not hold")
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _case(suite: ElementTree.Element, test: Finding) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"lstm-parity.{test.part}", name=test.name, time=f"{test.seconds:.3f}"
    )
    figures = {"check": test.check, "error": test.error, "bound": test.bound, "margin": test.margin}
    properties = ElementTree.SubElement(case, "properties")
    for name, value in {**figures, "repeat": test.repeat}.items():
        if value:
            ElementTree.SubElement(properties, "property", name=name, value=value)
    if test.verdict == FAILS:
        failure = ElementTree.SubElement(case, "failure", message=shown(test.why[0] if test.why else test.check))
        failure.text = "\n".join([*test.why, *([f"repeat: {test.repeat}"] if test.repeat else [])])
    elif test.verdict == CHAOTIC:
        ElementTree.SubElement(case, "skipped", message="chaotic: two correct programs part ways here")


def _counts(name: str, tests: Sequence[Finding]) -> dict[str, str]:
    verdicts = [test.verdict for test in tests]
    return {
        "name": name, "tests": str(len(tests)), "failures": str(verdicts.count(FAILS)), "errors": "0",
        "skipped": str(verdicts.count(CHAOTIC)), "time": f"{sum(test.seconds for test in tests):.3f}",
    }  # fmt: skip
