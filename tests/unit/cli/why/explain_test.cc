#include "cli/why/explain.h"

#include <memory>

#include "cli/why/print.h"
#include "control/manifest.h"
#include "tests/support/catch.h"

namespace aquifer::cli {
namespace {

std::string Pod(const std::string& name, const std::string& ip, const std::string& account,
                const std::string& labels = "") {
  return "---\n{apiVersion: v1, kind: Pod, metadata: {name: " + name +
         ", namespace: shop, labels: {app: " + name + (labels.empty() ? "" : ", " + labels) +
         "}}, spec: {serviceAccountName: " + account + ", nodeName: n1}, status: {podIP: " + ip +
         "}}\n";
}

// Namespace shop in the mesh: a client, and a server behind Service web, port 80 to 8080.
std::string Shop(const std::string& service_labels = "") {
  return "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: "
         "{istio.io/dataplane-mode: ambient}}}\n" +
         Pod("curl", "10.0.0.1", "curl") + Pod("web", "10.0.0.2", "web") +
         Pod("old", "10.0.0.3", "old", "istio.io/dataplane-mode: none") +
         "---\n{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, labels: {" +
         service_labels +
         "}}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80, "
         "targetPort: 8080}]}}\n"
         "---\n{apiVersion: v1, kind: Service, metadata: {name: heads, namespace: shop}, spec: "
         "{clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}\n";
}

// Gateway way with its pod and Service.
std::string Waypoint(const std::string& scope = "service") {
  return "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: way, "
         "namespace: shop, labels: {istio.io/waypoint-for: " +
         scope +
         "}}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, "
         "protocol: HBONE}]}}\n" +
         Pod("way-1", "10.0.0.9", "way",
             "gateway.networking.k8s.io/gateway-name: way, istio.io/dataplane-mode: none") +
         "---\n{apiVersion: v1, kind: Service, metadata: {name: way, namespace: shop, labels: "
         "{gateway.networking.k8s.io/gateway-name: way}}, spec: {clusterIP: 10.96.0.9, selector: "
         "{app: way-1}, ports: [{port: 15008}]}}\n";
}

const char* const kUse = "istio.io/use-waypoint: way";

std::string Policy(const std::string& name, const std::string& spec,
                   const std::string& annotations = "") {
  return "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: " +
         name + ", namespace: shop" +
         (annotations.empty() ? "" : ", annotations: {" + annotations + "}") + "}, spec: {" + spec +
         "}}\n";
}

std::string AtService(const std::string& spec) {
  return "targetRefs: [{group: '', kind: Service, name: web}], " + spec;
}

std::string Principal(const std::string& account) {
  return "from: [{source: {principals: [cluster.local/ns/shop/sa/" + account + "]}}]";
}

const std::string kStrict =
    "---\n{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: strict, "
    "namespace: shop}, spec: {mtls: {mode: STRICT}}}\n";

std::unique_ptr<Model> ModelOf(const std::string& yaml) {
  control::Manifest manifest = control::ReadManifest("test.yaml", yaml);
  for (const control::ManifestRefusal& refusal : manifest.refusals) FAIL(refusal.ToString());
  control::ObjectSet objects;
  for (control::Object& object : manifest.objects) REQUIRE(objects.Add(std::move(object)));
  return std::make_unique<Model>(std::move(objects), control::MeshSettings());
}

Question Ask(const std::string& from, const std::string& to) {
  Question question;
  const auto source = ReadFrom(from, "shop");
  const auto target = ReadTo(to, "shop");
  REQUIRE(source.ok());
  REQUIRE(target.ok());
  question.from = *source;
  question.to = target->first;
  question.port = target->second;
  return question;
}

Explanation ExplainAll(const std::string& yaml, const Question& question) {
  const std::unique_ptr<Model> model = ModelOf(yaml);
  const Decoded<Explanation> explanation = Explain(*model, question);
  INFO((explanation.ok() ? std::string() : explanation.error().ToString()));
  REQUIRE(explanation.ok());
  return *explanation;
}

std::string Verdict(const std::string& yaml, const Question& question) {
  return VerdictOf(ExplainAll(yaml, question));
}

std::string VerdictOfGet(const std::string& yaml, const std::string& path,
                         const std::string& from = "curl") {
  Question question = Ask(from, "web:80");
  question.request = AskedRequest{.path = path};
  return Verdict(yaml, question);
}

bool Has(const std::string& text, const std::string& part) {
  const bool has = text.find(part) != std::string::npos;
  if (!has) UNSCOPED_INFO("\"" + part + "\" is not in: " + text);
  return has;
}

std::string WhyNot(const std::string& yaml, const Question& question) {
  const Decoded<Explanation> explanation = Explain(*ModelOf(yaml), question);
  return explanation.ok() ? "" : explanation.error().ToString();
}

}  // namespace

TEST_CASE("without policies it is allowed, and each proxy on the way is told") {
  const Explanation all = ExplainAll(Shop(), Ask("curl", "web:80"));
  CHECK(VerdictOf(all) == "ALLOWED: no policy applies at the destination");
  REQUIRE(all.hops.size() == 2);
  CHECK(Has(all.hops[0].place, "at the source, pod shop/curl"));
  CHECK(Has(all.hops[1].place, "at pod shop/web"));
  CHECK(Has(all.hops[1].facts.at(0), "mutual TLS as spiffe://cluster.local/ns/shop/sa/curl"));
}

TEST_CASE("of an ALLOW policy the rule is named, and who is on none of its rules is denied") {
  const std::string yaml = Shop() + Policy("allow", "rules: [{" + Principal("other") + "}, {" +
                                                        Principal("curl") + "}]");
  CHECK(Verdict(yaml, Ask("curl", "web:80")) ==
        "ALLOWED by AuthorizationPolicy shop/allow rule 2 (spec.rules[1]): it allows this "
        "connection");
  const std::string denied = Verdict(yaml, Ask("web", "curl:80"));
  CHECK(denied.starts_with("DENIED by AuthorizationPolicy shop/allow: "));
  CHECK(Has(denied, "no rule of it matches spiffe://cluster.local/ns/shop/sa/web"));
}

TEST_CASE("a DENY by principal beats an ALLOW") {
  const std::string yaml = Shop() + Policy("allow", "rules: [{}]") +
                           Policy("deny", "action: DENY, rules: [{" + Principal("curl") + "}]");
  const Explanation all = ExplainAll(yaml, Ask("curl", "web:80"));
  CHECK(VerdictOf(all) ==
        "DENIED by AuthorizationPolicy shop/deny rule 1 (spec.rules[0]): it denies this "
        "connection");
  REQUIRE(all.hops.back().policies.size() == 2);
  CHECK(all.hops.back().policies[0].name == "shop/deny");
  CHECK(all.hops.back().policies[0].decides);
  CHECK_FALSE(all.hops.back().policies[1].decides);
}

TEST_CASE("rules that node proxies lose do not shift the numbers of the others") {
  const std::string yaml =
      Shop() +
      Policy("allow", "rules: [{to: [{operation: {paths: [/a]}}]}, {" + Principal("curl") + "}]");
  const Explanation all = ExplainAll(yaml, Ask("curl", "web:80"));
  CHECK(Has(VerdictOf(all), "rule 2 (spec.rules[1])"));
  REQUIRE_FALSE(all.remarks.empty());
  CHECK(Has(all.remarks[0], "AuthorizationPolicy shop/allow: node proxies do not know HTTP"));
}

TEST_CASE("a DENY by path is decided at the waypoint") {
  const std::string yaml =
      Shop(kUse) + Waypoint() +
      Policy("admin", AtService("action: DENY, rules: [{to: [{operation: {paths: [/x]}}]}, {to: "
                                "[{operation: {paths: [/admin*]}}]}]"));
  CHECK(VerdictOfGet(yaml, "/admin/a") ==
        "DENIED by AuthorizationPolicy shop/admin rule 2 (spec.rules[1]): it denies this at the "
        "waypoint");
  CHECK(VerdictOfGet(yaml, "/open").starts_with("ALLOWED"));
}

TEST_CASE("an ALLOW at the destination has to allow the waypoint, not the client") {
  const std::string at_client =
      Shop(kUse) + Waypoint() +
      Policy("l4", "selector: {matchLabels: {app: web}}, rules: [{" + Principal("curl") + "}]");
  const std::string denied = VerdictOfGet(at_client, "/");
  CHECK(denied.starts_with("DENIED by AuthorizationPolicy shop/l4: "));
  CHECK(Has(denied, "spiffe://cluster.local/ns/shop/sa/way, the waypoint"));
  const std::string at_waypoint =
      Shop(kUse) + Waypoint() +
      Policy("l4", "selector: {matchLabels: {app: web}}, rules: [{" + Principal("way") + "}]");
  CHECK(Has(VerdictOfGet(at_waypoint, "/"), "ALLOWED by AuthorizationPolicy shop/l4 rule 1"));
}

TEST_CASE("an ALLOW at the waypoint is named where the destination has nothing to say") {
  const std::string yaml =
      Shop(kUse) + Waypoint() + Policy("way", AtService("rules: [{" + Principal("curl") + "}]"));
  CHECK(VerdictOfGet(yaml, "/") ==
        "ALLOWED by AuthorizationPolicy shop/way rule 1 (spec.rules[0]): it allows this at the "
        "waypoint, and no policy applies at the destination");
}

TEST_CASE("CUSTOM denies what it matches, AUDIT and dry runs decide nothing") {
  const std::string way = Shop(kUse) + Waypoint();
  const std::string custom = VerdictOfGet(
      way + Policy("ask", AtService("action: CUSTOM, provider: {name: x}, rules: [{to: "
                                    "[{operation: {paths: [/a]}}]}]")),
      "/a");
  CHECK(Has(custom, "DENIED by AuthorizationPolicy shop/ask rule 1"));
  CHECK(Has(custom, "no external authorizer is asked"));
  Question question = Ask("curl", "web:80");
  question.request = AskedRequest();
  const Explanation all = ExplainAll(
      way + Policy("audit", AtService("action: AUDIT, rules: [{}]")) +
          Policy("dry", AtService("action: DENY, rules: [{}]"), "istio.io/dry-run: 'true'"),
      question);
  CHECK(VerdictOf(all).starts_with("ALLOWED"));
  REQUIRE(all.hops.size() == 3);
  REQUIRE(all.hops[1].policies.size() == 2);
  CHECK(all.hops[1].policies[0].note == "decides nothing");
  CHECK(all.hops[1].policies[1].dry_run);
}

TEST_CASE("STRICT refuses who comes in the clear, and goes by its own name") {
  const std::string yaml = Shop() + kStrict;
  CHECK(Verdict(yaml, Ask("old", "web:80")) ==
        "DENIED by PeerAuthentication shop/strict: mutual TLS is required, and the connection "
        "comes in the clear");
  CHECK(Verdict(yaml, Ask("192.0.2.7", "web:80")).starts_with("DENIED by PeerAuthentication"));
  const Explanation good = ExplainAll(yaml, Ask("curl", "web:80"));
  CHECK(VerdictOf(good).starts_with("ALLOWED: "));
  REQUIRE(good.hops.back().policies.size() == 1);
  CHECK(good.hops.back().policies[0].kind == "PeerAuthentication");
  CHECK_FALSE(good.hops.back().policies[0].rule.has_value());
}

TEST_CASE("what is not captured goes in the clear, and nobody judges what comes to it") {
  const Explanation out = ExplainAll(Shop(), Ask("old", "web:80"));
  CHECK(Has(out.hops[0].facts.at(0), "not captured"));
  CHECK(Has(out.hops[1].facts.at(0), "no identity"));
  const Explanation in = ExplainAll(Shop() + Policy("none", ""), Ask("curl", "old:80"));
  CHECK(VerdictOf(in).starts_with("ALLOWED: the pod is not captured"));
  CHECK(Has(in.hops.back().facts.back(), "nobody enforces: shop/none"));
}

TEST_CASE("who is not in the mesh goes past the waypoint, and that is told") {
  const Explanation all = ExplainAll(Shop(kUse) + Waypoint(), Ask("old", "web:80"));
  CHECK(Has(all.hops[0].facts.back(), "goes past the waypoint"));
  CHECK(all.hops.size() == 2);
}

TEST_CASE("a policy that targets a Service without a waypoint is enforced by nobody: a remark") {
  const Explanation all = ExplainAll(
      Shop() + Policy("late", AtService("action: DENY, rules: [{}]")), Ask("curl", "web:80"));
  CHECK(VerdictOf(all).starts_with("ALLOWED"));
  REQUIRE(all.remarks.size() == 1);
  CHECK(Has(all.remarks[0], "AuthorizationPolicy shop/late: "));
  CHECK(Has(all.remarks[0], "has no waypoint"));
}

TEST_CASE("a waypoint that is asked for and not there refuses, with the control plane's reason") {
  const std::string verdict = Verdict(Shop(kUse), Ask("curl", "web:80"));
  CHECK(verdict.starts_with("UNREACHABLE by Service shop/web: its waypoint "));
  CHECK(Has(verdict, "nothing goes around a waypoint"));
}

TEST_CASE("a pod's own address goes by a waypoint only if that is for workloads") {
  const auto hops = [](const std::string& scope) {
    const std::string space =
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: "
        "{istio.io/dataplane-mode: "
        "ambient, istio.io/use-waypoint: way}}}\n";
    const std::string shop = Shop();
    const std::string yaml = space + shop.substr(shop.find("---")) + Waypoint(scope);
    return ExplainAll(yaml, Ask("curl", "pod/web:8080")).hops.size();
  };
  CHECK(hops("service") == 2);
  CHECK(hops("all") == 3);
}

TEST_CASE("a headless Service leads to its pods, on the pods' port") {
  const Explanation all = ExplainAll(Shop(), Ask("curl", "heads:8080"));
  CHECK(VerdictOf(all).starts_with("ALLOWED"));
  CHECK(Has(all.hops[0].facts.back(), "HBONE tunnel to shop/web"));
  CHECK(Has(all.hops[1].facts.at(0), "port 8080"));
}

TEST_CASE("endpoints that end differently are told apart") {
  const std::string yaml =
      Shop() + Pod("web2", "10.0.0.4", "web") +
      "---\n{apiVersion: v1, kind: Service, metadata: {name: both, namespace: shop}, spec: "
      "{clusterIP: 10.96.0.2, selector: {tier: x}, ports: [{port: 80}]}}\n" +
      Pod("x1", "10.0.0.5", "x", "tier: x") + Pod("x2", "10.0.0.6", "x", "tier: x") +
      Policy("one", "selector: {matchLabels: {app: x2}}, action: DENY, rules: [{}]");
  const Explanation all = ExplainAll(yaml, Ask("curl", "both:80"));
  CHECK(Has(VerdictOf(all), "DENIED by AuthorizationPolicy shop/one"));
  CHECK(Has(VerdictOf(all), "(1 of 2 ways"));
  REQUIRE_FALSE(all.remarks.empty());
  CHECK(Has(all.remarks[0], "shop/x1, is allowed"));
}

TEST_CASE("a service account stands for its pods, and may have none") {
  const Explanation known = ExplainAll(Shop(), Ask("sa/shop/curl", "web:80"));
  CHECK(Has(known.hops[0].place, "pod shop/curl"));
  const std::string yaml =
      Shop() + Policy("deny", "action: DENY, rules: [{" + Principal("job") + "}]");
  const Explanation imagined = ExplainAll(yaml, Ask("sa/shop/job", "web:80"));
  CHECK(Has(imagined.hops[0].facts.at(0), "no pod runs as it"));
  CHECK(Has(VerdictOf(imagined), "DENIED by AuthorizationPolicy shop/deny rule 1"));
}

TEST_CASE("routes that take no request answer 404, and say whose rules they are") {
  const std::string yaml =
      Shop(kUse) + Waypoint() +
      "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, "
      "namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: web}], rules: "
      "[{matches: [{path: {type: Exact, value: /a}}], backendRefs: [{name: web, port: 80}]}]}}\n";
  Question question = Ask("curl", "web:80");
  question.request = AskedRequest{.path = "/a"};
  const Explanation found = ExplainAll(yaml, question);
  CHECK(VerdictOf(found).starts_with("ALLOWED"));
  CHECK(Has(found.hops.at(1).facts.back(), "HTTPRoute shop/r, spec.rules[0], takes it"));
  question.request->path = "/b";
  CHECK(Has(Verdict(yaml, question), "UNREACHABLE"));
  CHECK(Has(Verdict(yaml, question), "404"));
}

TEST_CASE("what is not there is named") {
  CHECK(WhyNot(Shop(), Ask("curl", "nobody:80")) ==
        "shop/nobody: there is neither a Service nor a pod of that name");
  CHECK(WhyNot(Shop(), Ask("curl", "web:81")) == "Service shop/web: has no port 81: 80");
  CHECK(WhyNot(Shop(), Ask("nobody", "web:80")) ==
        "shop/nobody: there is no such pod, and nothing of that name owns one");
  CHECK(WhyNot(Shop(), Ask("curl", "web.other:80")) ==
        "web.other: there is no service of that name");
  CHECK(WhyNot(Shop(), Ask("curl", "web.shop.svc:80")).empty());
}

TEST_CASE("as a document the hops and the rule that decides can be read") {
  const OrderedJson value = DocumentOf(
      ExplainAll(Shop() + Policy("deny", "action: DENY, rules: [{}]"), Ask("curl", "web:80")));
  CHECK(value["outcome"] == "DENIED");
  CHECK(value["by"]["name"] == "shop/deny");
  CHECK(value["by"]["rule"] == "spec.rules[0]");
  CHECK(value["hops"][1]["policies"][0]["decides"] == true);
}

}  // namespace aquifer::cli
