"""An application exposed by a Gateway that deploys itself, one that is deployed by hand, and a route of the whole mesh."""
import json

from cluster import ROOT, lib
from reader import Reader

HOST = '-HHost:httpbin.example.com'
ANOTHER_PORT = [{'op': 'add', 'path': '/spec/listeners/-', 'value': {
    'name': 'more', 'port': 8080, 'protocol': 'HTTP', 'allowedRoutes': {'namespaces': {'from': 'All'}}}}]
DEFINITIONS = 'gateways.gateway.networking.k8s.io'


def the_gateway_is_waited_for_and_has_an_address(reader):
    reader.types(f'kubectl get crd {DEFINITIONS}')
    reader.types('kubectl apply -f ../httpbin.yaml')
    reader.types('kubectl create namespace istio-ingress')
    reader.converts('gateway.yaml')
    reader.types(f'kubectl wait -n istio-ingress --for=condition=ready {DEFINITIONS} gateway')
    reader.types(f"export INGRESS_HOST=$(kubectl get {DEFINITIONS} gateway -n istio-ingress -ojsonpath='{{.status.addresses[*].value}}')")
    reader.types('kubectl rollout status deployment/httpbin --timeout=60s')


def what_is_exposed_is_served_with_the_header_and_nothing_else(reader):
    reader.sees(f'curl -s -I {HOST} "http://$INGRESS_HOST/get"', 'HTTP/1.1 200 OK', 'server: istio-envoy')
    headers = json.loads(reader.types(f'curl -s {HOST} "http://$INGRESS_HOST/get"').out)['headers']
    lib.equal(headers.get('My-Added-Header'), 'added-value', 'what the application saw')
    reader.types(f'curl -s -I {HOST} "http://$INGRESS_HOST/headers"', 'HTTP/1.1 404 Not Found')
    reader.types('curl -s -I -HHost:httpbin.example.org "http://$INGRESS_HOST/get"', 'HTTP/1.1 404 Not Found')


def a_change_of_the_gateway_changes_what_it_deployed(reader):
    ports = "kubectl get service gateway-istio -n istio-ingress -o jsonpath='{.spec.ports[*].port}'"
    reader.types(ports, '80')
    reader.types(f"kubectl patch {DEFINITIONS} gateway -n istio-ingress --type=json -p '{json.dumps(ANOTHER_PORT)}'")
    reader.sees(ports, '80', '8080')
    reader.sees(f'curl -s -I {HOST} "http://$INGRESS_HOST:8080/get"', 'HTTP/1.1 200 OK')
    reader.types(f'kubectl annotate {DEFINITIONS} gateway -n istio-ingress '
                 'networking.istio.io/service-type=ClusterIP example.com/who=me')
    reader.types(f'kubectl label {DEFINITIONS} gateway -n istio-ingress example.com/team=edge')
    reader.sees("kubectl get service gateway-istio -n istio-ingress -o jsonpath='{.spec.type}'", 'ClusterIP')
    for kind in ('service', 'deployment'):
        reader.sees(f"kubectl get {kind} gateway-istio -n istio-ingress -o jsonpath='{{.metadata}}'",
                    '"example.com/who":"me"', '"example.com/team":"edge"')
    reader.sees(f"kubectl get {DEFINITIONS} gateway -n istio-ingress -o jsonpath='{{.status.addresses[*].value}}'",
                'gateway-istio.istio-ingress.svc.cluster.local')


def an_address_is_asked_for(reader):
    reader.converts('addresses.yaml')
    reader.sees("kubectl get service fixed-istio -n istio-ingress -o jsonpath='{.spec.loadBalancerIP} {.spec.type}'",
                '192.0.2.0 LoadBalancer')


def one_deployed_by_hand_is_found_by_its_address(reader):
    reader.types('kubectl create namespace istio-gateways')
    reader.types("sed -e 's/istio-ingressgateway/ingress/' -e 's/istio-system/istio-gateways/' "
                 f'{ROOT}/manifests/examples/manual-gateway.yaml | kubectl apply -f -')
    reader.converts('by-hand.yaml')
    reader.types(f'kubectl wait -n istio-gateways --for=condition=ready {DEFINITIONS} gateway --timeout=60s')
    reader.sees("kubectl get service ingress -n istio-gateways -o jsonpath='{.status.loadBalancer.ingress[0].ip}'", '.')
    reader.types(f'export BY_HAND={reader.last.out}')
    reader.sees(f'curl -s -I {HOST} "http://$BY_HAND/headers"', 'HTTP/1.1 200 OK')
    reader.types('kubectl get deployments -n istio-gateways -o name')
    lib.equal(reader.last.out, 'deployment.apps/ingress\n', 'nothing else is deployed')


def a_route_of_the_mesh_names_what_its_host_stands_for(reader):
    """The parent Mesh is gone from the API; the converter says what takes its place."""
    answer = reader.converts('mesh.yaml')
    lib.check('ServiceEntry example-com' in answer.err, f'no word on what takes the place of the parent Mesh\n{answer}')
    reader.types("kubectl get httproute mesh -o jsonpath='{.spec.parentRefs[*].kind} {.spec.parentRefs[*].name}'")
    lib.equal(reader.last.out, 'ServiceEntry example-com', 'the parent of the route')
    reader.types("kubectl get serviceentry example-com -o jsonpath='{.spec.hosts[*]}'", 'example.com')


def clean(reader):
    reader.command('kubectl delete httproute http by-hand mesh --ignore-not-found')
    reader.command('kubectl delete serviceentry example-com --ignore-not-found')
    reader.command('kubectl delete -f ../httpbin.yaml --ignore-not-found --wait=false')
    reader.command('kubectl delete namespace istio-ingress istio-gateways --ignore-not-found --wait=false')


def reader(made, folder):
    return Reader(made, '003-ingress', folder)


PARTS = (the_gateway_is_waited_for_and_has_an_address, what_is_exposed_is_served_with_the_header_and_nothing_else,
         a_change_of_the_gateway_changes_what_it_deployed, an_address_is_asked_for, one_deployed_by_hand_is_found_by_its_address,
         a_route_of_the_mesh_names_what_its_host_stands_for)
