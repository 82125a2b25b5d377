"""Manifests of v1alpha1: a host, an exact path, a canary of 3 to 1; and streams: TCP, TLS by its server name, UDP."""
import math

from cluster import lib
from reader import Reader

REQUESTS = 400
CANARY = 1 / 4
ONE_IN = 1e-6
SERVER = 'whoami.example.com'


def manifests_of_v1alpha1_make_a_gateway(reader):
    reader.types('kubectl apply -f whoami.yaml -f nginx.yaml')
    reader.converts('gateway.yaml')
    reader.types('kubectl wait -n kube-system --for=condition=ready gateway/traefik-gateway --timeout=60s')
    address(reader, 'kube-system', 'traefik-gateway')
    reader.types('kubectl rollout status -n kube-system deployment/whoami --timeout=60s')


def address(reader, ns, name):
    reader.sees(f"kubectl get gateway {name} -n {ns} -o jsonpath='{{.status.addresses[0].type}}'", 'IPAddress')
    reader.types(f"export GATEWAY=$(kubectl get gateway {name} -n {ns} -o jsonpath='{{.status.addresses[0].value}}')")


def the_host_is_served(reader):
    reader.converts('gateway.yaml', 'route.yaml')
    reader.types('kubectl get httproute -n kube-system', 'http-app-1', '["whoami"]')
    reader.sees('curl -s -H "Host: whoami" http://$GATEWAY', 'Hostname: whoami-', 'GET / HTTP/1.1', 'host: whoami')
    reader.types('curl -s -o /dev/null -w "%{http_code}" http://$GATEWAY', '404')


def an_exact_path_is_served_and_no_other(reader):
    reader.converts('gateway.yaml', 'route-of-a-path.yaml')
    reader.sees('curl -s -o /dev/null -w "%{http_code}" -H "Host: whoami" http://$GATEWAY', '404')
    reader.types('curl -s -H "Host: whoami" http://$GATEWAY/foo', 'Hostname: whoami-', 'GET /foo HTTP/1.1')
    reader.types('curl -s -o /dev/null -w "%{http_code}" -H "Host: whoami" http://$GATEWAY/foo/bar', '404')


def bounds(trials, share, one_in):
    """The least and the most hits that are not rarer than that, of a binomial distribution."""
    chance = [math.comb(trials, k) * share ** k * (1 - share) ** (trials - k) for k in range(trials + 1)]

    def unlikely(part):
        total = 0
        for count, each in enumerate(part):
            total += each
            if total > one_in / 2:
                return count
        return len(part)
    return unlikely(chance), trials - unlikely(chance[::-1])


def one_of_four_requests_goes_to_the_canary(reader):
    reader.converts('gateway.yaml', 'route-of-a-canary.yaml')
    reader.types('kubectl rollout status -n kube-system deployment/nginx --timeout=60s')
    reader.sees('curl -s -H "Host: whoami" http://$GATEWAY', 'Welcome to nginx!')
    answers = reader.types(f'curl -s -H "Host: whoami" "http://$GATEWAY/?[1-{REQUESTS}]"').out
    found, canary = answers.count('Hostname: whoami-'), answers.count('<title>Welcome to nginx!</title>')
    least, most = bounds(REQUESTS, CANARY, ONE_IN)
    print(f'  {canary} of {REQUESTS} to the canary; {least} to {most} may be')
    lib.equal(found + canary, REQUESTS, 'answers')
    lib.check(least <= canary <= most, f'{canary} of {REQUESTS} went to the canary, not {least} to {most}')


def a_stream_goes_where_its_port_says(reader):
    reader.types('kubectl create namespace streams')
    reader.types('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 '
                 f'-subj /CN={SERVER} -addext subjectAltName=DNS:{SERVER} -keyout $TMPDIR/tls.key -out $TMPDIR/tls.crt')
    reader.types('kubectl create secret tls whoami -n streams --cert=$TMPDIR/tls.crt --key=$TMPDIR/tls.key')
    reader.types('kubectl apply -f streams-whoami.yaml -f streams.yaml')
    reader.types('kubectl rollout status -n streams deployment/whoami --timeout=60s')
    reader.types('kubectl wait -n streams --for=condition=programmed gateway/streams --timeout=60s')
    address(reader, 'streams', 'streams')
    reader.sees(reader.condition('tcproute tcp -n streams', 'Accepted', '.parents[0]'), 'True Accepted')
    reader.sees(over('tcp', 9000), 'Hostname: whoami-', 'hello')


def tls_goes_where_its_server_name_says(reader):
    there = '--connect-to "::$GATEWAY:"'
    reader.sees(reader.condition('tlsroute tls -n streams', 'Accepted', '.parents[0]'), 'True Accepted')
    reader.sees(f'curl -s --cacert $TMPDIR/tls.crt {there} https://{SERVER}:8443/', 'Hostname: whoami-', f'Host: {SERVER}')
    reader.fails(f'curl -s -k {there} https://other.example.com:8443/')


def datagrams_go_where_their_port_says(reader):
    reader.sees(reader.condition('udproute udp -n streams', 'Accepted', '.parents[0]'), 'True Accepted')
    reader.sees(over('udp', 5300), 'Hostname: whoami-', 'hello')


def over(protocol, port):
    """Says hello there, and prints two lines of what comes back."""
    return f"timeout 5 bash -c 'exec 3<>/dev/{protocol}/'$GATEWAY'/{port}; echo hello >&3; head -n 2 <&3'"


def clean(reader):
    reader.command('kubectl delete httproute,gateway -n kube-system --all --wait=false')
    reader.command('kubectl delete -f whoami.yaml -f nginx.yaml --ignore-not-found --wait=false')
    reader.command('kubectl delete gatewayclass traefik --ignore-not-found')
    reader.command('kubectl delete namespace streams --ignore-not-found --wait=false')


def reader(made, folder):
    return Reader(made, '002-v1alpha1', folder)


PARTS = (manifests_of_v1alpha1_make_a_gateway, the_host_is_served, an_exact_path_is_served_and_no_other,
         one_of_four_requests_goes_to_the_canary, a_stream_goes_where_its_port_says, tls_goes_where_its_server_name_says,
         datagrams_go_where_their_port_says)
