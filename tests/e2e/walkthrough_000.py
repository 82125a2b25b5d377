"""A gateway deployed by hand, a waypoint annotated for one service account, and a policy there that denies a path, to callers from outside too."""
from cluster import ROOT, lib
from reader import FOLDER, Reader

MANIFESTS = ROOT / 'manifests/examples'
HOST = '-HHost:httpbin.aliyun.com'
TEAPOT = '-=[ teapot ]=-'
BALANCER = "'{.status.loadBalancer.ingress[0].ip}'"
DENIED = 'RBAC: access denied'


def an_application_joins_the_mesh(reader):
    reader.types('kubectl label namespace default istio.io/dataplane-mode=ambient')
    reader.types(f'kubectl apply -f {FOLDER}/httpbin.yaml')
    reader.types('kubectl rollout status deployment/httpbin --timeout=60s')


def a_gateway_deployed_by_hand_shows_the_teapot(reader):
    reader.types('kubectl create namespace istio-system')
    reader.types(f'kubectl apply -f {MANIFESTS}/manual-gateway.yaml')
    reader.types('kubectl apply -f 20-gateway.yaml')
    reader.types('kubectl apply -f 30-httproute.yaml')
    reader.types('kubectl wait -n istio-system --for=condition=programmed gateway/gateway --timeout=60s')
    reader.sees(f'kubectl get service istio-ingressgateway -n istio-system -o jsonpath={BALANCER}', '.')
    reader.types(f'export GATEWAY=$(kubectl get service istio-ingressgateway -n istio-system -o jsonpath={BALANCER})')
    reader.sees(f'curl -s {HOST} "http://$GATEWAY:80/status/418"', TEAPOT)
    reader.sees("kubectl get gateway gateway -n istio-system -o jsonpath='{.status.listeners[0].attachedRoutes}'", '1')
    reader.types('kubectl get deployments -n istio-system -o name')
    lib.equal(reader.last.out, 'deployment.apps/istio-ingressgateway\n', 'nothing else is deployed')


def a_waypoint_of_the_service_account_is_deployed(reader):
    reader.types('kubectl apply -f 40-waypoint.yaml')
    reader.types('kubectl wait --for=condition=programmed gateway/httpbin --timeout=60s')
    reader.types('kubectl get deployment httpbin-istio-waypoint')
    reader.sees(f'curl -s {HOST} "http://$GATEWAY:80/status/418"', TEAPOT)


def the_policy_denies_that_path_and_no_other(reader):
    reader.types('kubectl apply -f 50-authorizationpolicy.yaml')
    reader.sees(f'curl -s {HOST} "http://$GATEWAY:80/status/418"', DENIED)
    lib.equal(reader.last.out, DENIED, 'the whole answer, without a newline')
    reader.types(f'curl -s -o /dev/null -w "%{{http_code}}" {HOST} "http://$GATEWAY:80/status/418"', '403')
    reader.types(f'curl -s {HOST} "http://$GATEWAY:80/headers" -I', 'HTTP/1.1 200 OK', 'server: istio-envoy',
                 'content-type: application/json', 'x-envoy-upstream-service-time: ')
    reader.sees(reader.condition('authorizationpolicy authz-test', 'WaypointAccepted'), 'True Accepted')


def its_deletion_allows_it_again(reader):
    reader.types('kubectl delete -f 50-authorizationpolicy.yaml')
    reader.sees(f'curl -s {HOST} "http://$GATEWAY:80/status/418"', TEAPOT)


def clean(reader):
    reader.command('kubectl delete -f 50-authorizationpolicy.yaml -f 40-waypoint.yaml -f 30-httproute.yaml --ignore-not-found')
    reader.command(f'kubectl delete -f {FOLDER}/httpbin.yaml --ignore-not-found --wait=false')
    reader.command('kubectl label namespace default istio.io/dataplane-mode-')
    reader.command('kubectl delete namespace istio-system --wait=false --ignore-not-found')


def reader(made, folder):
    return Reader(made, MANIFESTS / '000-gateway-api', folder)


PARTS = (an_application_joins_the_mesh, a_gateway_deployed_by_hand_shows_the_teapot, a_waypoint_of_the_service_account_is_deployed,
         the_policy_denies_that_path_and_no_other, its_deletion_allows_it_again)
