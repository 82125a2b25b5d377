"""Where we differ from ztunnel on purpose. docs/istio.md says the same to users.

Each is (cases, what ztunnel's outcome says, what ours says, why). On a cluster where both serve, either is right.
"""
import re

EMPTY = 'an empty answer says how long it holds'
DIFFERENCES = (
    (r'the server resets$', 'end closed', 'error reset', 'a reset stays a reset'),
    (r'a policy denies an open|strict ends an open', 'timeout', 'ended', 'a policy that is attached later ends open connections too'),
    (r'the client resets$', 'server sees closed', 'server sees reset', 'a reset stays a reset'),
    (r' to pod plain2$|to plain2: |the address of a service entry without resolution$', ' direction=outbound',
     ' dst.workload=plain2 dst.namespace=plain dst.cluster=Kubernetes direction=outbound',
     'of an address that is a pod\'s and that of a service without resolution the log names the pod'),
    (r'a service entry, by a name that is not$', 'level=warn message=connection failed dst.addr=203.0.113.5:80 direction=outbound error=yes',
     'level=error message=connection complete src.workload={client} src.namespace={namespace} src.cluster=Kubernetes dst.addr=203.0.113.5:80 '
     'dst.service=unknown-name.example dst.workload=unknown-name dst.namespace=shop dst.cluster=Kubernetes direction=outbound bytes_sent=0 '
     'bytes_recv=0 error=yes', 'a connection whose destination is known is logged whole'),
    (r'asks for (A+ nothing|TXT one)\.', '"authorities": []', '"authorities": ["SOA cluster.local"]', EMPTY),
    (r'asks for AAAA \S+\.example', '"code": 0, "truncated": false, "answers": [], "authorities": []',
     '"code": 0, "truncated": false, "answers": [], "authorities": ["SOA {name}"]', EMPTY),
    (r'asks for A+ ONE\.', 'A one.shop.svc.cluster.local ', 'A ONE.shop.SVC.cluster.local ', 'the question\'s spelling is kept'),
    (r'to localhost port 15053$', 'timeout', 'ended', 'what is no DNS message ends its connection'),
)


def expected(case, reference, mixed):
    """The outcomes that are right, given ztunnel's."""
    for pattern, theirs, ours, _ in DIFFERENCES:
        if re.search(pattern, case) and theirs in reference and not (theirs in ours and 'dst.workload=' in reference):
            client = re.search(r'(\S+) to ', case)
            ours = ours.replace('{client}', client[1] if client else '')
            name = re.search(r'asks for \S+ (\S+)', case)
            ours = ours.replace('{name}', name[1] if name else '')
            ours = ours.replace('{namespace}', 'other' if client and client[1].startswith('stranger') else 'shop')
            changed = reference.replace(theirs, ours)
            return {reference, changed} if mixed else {changed}
    return {reference}
