# SPDX-License-Identifier: MIT
"""Judges a student's policy: it must accept their kernel, and refuse one with something wrong in it.

A kernel with something wrong is the student's own, in whose graph there is one call, one lock or one larger
frame more. So it is at hand for every tree, whatever is in its files, and costs no compiling.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from course.proving import ProofTest
from judging.verdict import PASSED, Finding, Verdict
from proof.check import Kernel, Proof, check, what_breaks
from proof.policy import Policy


def _wrong(text: str) -> Finding:
    return Finding(Verdict.WRONG, text)


def _first(proof: Proof) -> str:
    """The first thing that keeps a kernel from being accepted."""
    if proof.troubles:
        more = f" (and {len(proof.troubles) - 1} more)" if len(proof.troubles) > 1 else ""
        return proof.troubles[0] + more
    broken = [" ".join(verdict.lines[0].split()) for verdict in proof.verdicts if not verdict.proved]
    return broken[0] if broken else "there is no [[root]]: nothing is to be proved"


def _judge_kernel(test: ProofTest, kernel: Kernel, policy: Policy, unchanged: Proof) -> Finding:
    if not policy.roots or not unchanged.holds:
        return _wrong(f"your policy does not accept stage {test.stage} as it is: "
                      + (_first(unchanged) if policy.roots else "there is no [[root]]"))
    if not test.change:
        return PASSED
    with kernel.graph.as_if(test.calls, test.locks, test.grows):
        proof = check(kernel, policy)
    if proof.troubles or any(not verdict.proved for verdict in proof.roots):
        return PASSED
    return _wrong(f"your policy accepts a kernel in which {test.change}")


def _judge_root(test: ProofTest, kernel: Kernel, policy: Policy) -> Finding:
    troubles, broken = what_breaks(kernel, policy, test.function, test.never, test.static, test.ends)
    if troubles:
        return _wrong(_first(Proof(troubles, [])))
    return _wrong(broken[0]) if broken else PASSED


def judge(tests: Sequence[ProofTest], kernels: Mapping[int, Kernel], policy: Policy) -> dict[str, Finding]:
    """The findings about these tests, by name. `kernels`: the student's, by stage."""
    unchanged = {stage: check(kernel, policy) for stage, kernel in kernels.items()}
    return {test.name: _judge_root(test, kernels[test.stage], policy) if test.function else
            _judge_kernel(test, kernels[test.stage], policy, unchanged[test.stage]) for test in tests}


def says_nothing(policy: Policy) -> bool:
    """Is it a policy that nobody has begun?"""
    return policy == replace(policy, entered=(), compared=(), calls=(), roots=())
