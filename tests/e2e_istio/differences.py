"""Where we differ from ztunnel on purpose. docs/istio.md says the same to users.

Each is (cases, what ztunnel's outcome says, what ours says, why). On a cluster where both serve, either is right.
"""
import re

DIFFERENCES = (
    (r'the server resets$', 'end closed', 'error reset', 'a reset stays a reset'),
    (r'a policy denies an open|strict ends an open', 'timeout', 'ended', 'a policy that is attached later ends open connections too'),
    (r'the client resets$', 'server sees closed', 'server sees reset', 'a reset stays a reset'),
)


def expected(case, reference, mixed):
    """The outcomes that are right, given ztunnel's."""
    for pattern, theirs, ours, _ in DIFFERENCES:
        if re.search(pattern, case) and theirs in reference:
            changed = reference.replace(theirs, ours)
            return {reference, changed} if mixed else {changed}
    return {reference}
