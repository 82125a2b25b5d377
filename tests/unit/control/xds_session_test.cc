#include "control/xds_session.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

using Names = std::vector<std::string>;
using Request = XdsSession::Request;
using Response = XdsSession::Response;

constexpr ResourceType kType = ResourceType::kAddress;

Resource With(std::string bytes) {
  Resource resource;
  resource.version = ContentVersion(bytes);
  resource.bytes = std::move(bytes);
  return resource;
}

using Draft = std::map<std::string, Resource>;

XdsSession::TableRef TableOf(Draft resources, const XdsSession::TableRef& previous = nullptr,
                             ResourceType type = kType) {
  ResourceDraft draft;
  draft.Of(type) = std::move(resources);
  return ResourceTable::Build(std::move(draft), previous == nullptr ? ResourceTable() : *previous);
}

Request Asking(Names subscribe = {}, Names unsubscribe = {}, ResourceType type = kType) {
  Request request;
  request.set_type_url(std::string(TypeUrl(type)));
  for (const std::string& name : subscribe) request.add_resource_names_subscribe(name);
  for (const std::string& name : unsubscribe) request.add_resource_names_unsubscribe(name);
  return request;
}

Request Ack(const Response& response) {
  Request request;
  request.set_type_url(response.type_url());
  request.set_response_nonce(response.nonce());
  return request;
}

void Send(XdsSession& session, const Request& request) { REQUIRE(session.OnRequest(request).ok()); }

Names Sent(const Response& response) {
  Names names;
  for (const auto& resource : response.resources()) names.push_back(resource.name());
  return names;
}
Names Removed(const Response& response) {
  return {response.removed_resources().begin(), response.removed_resources().end()};
}

// The one response that is due, acknowledged.
Response Take(XdsSession& session) {
  const auto response = session.Next();
  REQUIRE(response.has_value());
  Send(session, Ack(*response));
  return *response;
}

}  // namespace

TEST_CASE("nothing is sent before it is asked for") {
  XdsSession session({}, TableOf({{"a", With("1")}}));
  CHECK_FALSE(session.Next().has_value());
}

TEST_CASE("a first request without names subscribes to everything") {
  XdsSession session({}, TableOf({{"a", With("1")}, {"b", With("2")}}));
  Send(session, Asking());
  const Response response = Take(session);
  CHECK(Sent(response) == Names{"a", "b"});
  CHECK(response.type_url() == TypeUrl(kType));
  CHECK(response.resources(0).version() == ContentVersion("1"));
  CHECK(response.resources(0).resource().type_url() == TypeUrl(kType));
  CHECK(response.resources(0).resource().value() == "1");
  CHECK_FALSE(response.nonce().empty());
  CHECK_FALSE(session.Next().has_value());
}

TEST_CASE("the first response comes even if there is nothing, since clients wait for it") {
  XdsSession session({}, TableOf({}));
  Send(session, Asking());
  CHECK(Sent(Take(session)).empty());
}

TEST_CASE("a change sends what changed, appeared or went") {
  const auto first = TableOf({{"a", With("1")}, {"b", With("2")}, {"c", With("3")}});
  XdsSession session({}, first);
  Send(session, Asking());
  Take(session);
  session.OnTable(TableOf({{"a", With("1")}, {"b", With("new")}, {"d", With("4")}}, first));
  const Response response = Take(session);
  CHECK(Sent(response) == Names{"b", "d"});
  CHECK(Removed(response) == Names{"c"});
}

TEST_CASE("a table without a change for the client sends nothing") {
  const auto first = TableOf({{"a", With("1")}});
  XdsSession session({}, first);
  Send(session, Asking());
  Take(session);
  session.OnTable(TableOf({{"a", With("1")}}, first));
  CHECK_FALSE(session.Next().has_value());
}

TEST_CASE("while a response is unanswered, changes gather") {
  const auto first = TableOf({{"a", With("1")}});
  XdsSession session({}, first);
  Send(session, Asking());
  const auto unanswered = session.Next();
  const auto second = TableOf({{"a", With("2")}, {"b", With("1")}}, first);
  session.OnTable(second);
  CHECK_FALSE(session.Next().has_value());
  session.OnTable(TableOf({{"a", With("3")}}, second));
  CHECK_FALSE(session.Next().has_value());
  Send(session, Ack(*unanswered));
  const Response response = Take(session);
  CHECK(Sent(response) == Names{"a"});
  CHECK(response.resources(0).resource().value() == "3");
  CHECK(Removed(response).empty());
}

TEST_CASE("an answer to an older response is no answer to the one that is out") {
  const auto first = TableOf({{"a", With("1")}});
  XdsSession session({}, first);
  Send(session, Asking());
  const Response old = Take(session);
  const auto second = TableOf({{"a", With("2")}}, first);
  session.OnTable(second);
  CHECK(session.Next().has_value());
  session.OnTable(TableOf({{"a", With("3")}}, second));
  Send(session, Ack(old));
  CHECK_FALSE(session.Next().has_value());
}

TEST_CASE("a refused response is reported and not sent again until something changes") {
  const auto first = TableOf({{"a", With("1")}});
  XdsSession session({}, first);
  Send(session, Asking());
  const auto response = session.Next();
  Request nack = Ack(*response);
  nack.mutable_error_detail()->set_message("a: unknown enum");
  const auto outcome = session.OnRequest(nack);
  REQUIRE(outcome.ok());
  REQUIRE(outcome->rejection.has_value());
  CHECK(outcome->rejection->message == "a: unknown enum");
  CHECK(outcome->rejection->type_url == TypeUrl(kType));
  CHECK_FALSE(session.Next().has_value());
  session.OnTable(TableOf({{"a", With("2")}}, first));
  CHECK(Sent(Take(session)) == Names{"a"});
}

TEST_CASE("after a reconnect only what changed is sent") {
  XdsSession session({}, TableOf({{"a", With("1")}, {"b", With("2")}, {"d", With("4")}}));
  Request request = Asking();
  (*request.mutable_initial_resource_versions())["a"] = ContentVersion("1");
  (*request.mutable_initial_resource_versions())["b"] = "old";
  (*request.mutable_initial_resource_versions())["c"] = ContentVersion("3");
  Send(session, request);
  const Response response = Take(session);
  CHECK(Sent(response) == Names{"b", "d"});
  CHECK(Removed(response) == Names{"c"});
}

TEST_CASE("versions told in a later request count for nothing") {
  const auto table = TableOf({{"a", With("1")}});
  XdsSession session({}, table);
  Send(session, Asking());
  Take(session);
  Request request = Asking();
  (*request.mutable_initial_resource_versions())["x"] = "1";
  Send(session, request);
  CHECK_FALSE(session.Next().has_value());
}

TEST_CASE("an on-demand client turns the wildcard off and gets its node's pods and what it names") {
  Resource mine = With("mine"), other = With("other"), pod = With("pod");
  mine.node = "node-a";
  other.aliases = {"net/10.0.0.2"};
  pod.brought_by = {"ns/svc"};
  const auto first = TableOf({{"mine", mine},
                              {"other", other},
                              {"pod", pod},
                              {"ns/svc", With("svc")},
                              {"rest", With("r")}});
  XdsSession session({.node = "node-a"}, first);
  Send(session, Asking({"*"}, {"*"}));
  CHECK(Sent(Take(session)) == Names{"mine"});
  Send(session, Asking({"net/10.0.0.2"}));
  const Response by_alias = Take(session);
  CHECK(Sent(by_alias) == Names{"other"});
  CHECK(by_alias.resources(0).aliases(0) == "net/10.0.0.2");
  Send(session, Asking({"ns/svc"}));
  CHECK(Sent(Take(session)) == Names{"ns/svc", "pod"});
  Send(session, Asking({"nothing"}));
  const Response missing = Take(session);
  CHECK(Sent(missing).empty());
  CHECK(Removed(missing) == Names{"nothing"});
}

TEST_CASE("an on-demand client hears of changes to what it named, also when it appears later") {
  const auto first = TableOf({{"a", With("1")}, {"b", With("1")}});
  XdsSession session({}, first);
  Send(session, Asking({"a", "later"}));
  Take(session);
  const auto second = TableOf({{"a", With("2")}, {"b", With("2")}, {"later", With("1")}}, first);
  session.OnTable(second);
  CHECK(Sent(Take(session)) == Names{"a", "later"});
  Send(session, Asking({}, {"a"}));
  CHECK_FALSE(session.Next().has_value());
  session.OnTable(TableOf({{"b", With("2")}}, second));
  CHECK(Removed(Take(session)) == Names{"later"});
}

TEST_CASE("an on-demand client keeps hearing of what it had before a reconnect") {
  const auto first = TableOf({{"a", With("1")}, {"b", With("1")}});
  XdsSession session({}, first);
  Request request = Asking({"*"}, {"*"});
  (*request.mutable_initial_resource_versions())["a"] = ContentVersion("1");
  (*request.mutable_initial_resource_versions())["gone"] = "1";
  Send(session, request);
  const Response response = Take(session);
  CHECK(Sent(response).empty());
  CHECK(Removed(response) == Names{"gone"});
  session.OnTable(TableOf({{"a", With("2")}}, first));
  CHECK(Sent(Take(session)) == Names{"a"});
}

TEST_CASE("a workload that leaves a named service goes") {
  Resource in = With("pod"), out = With("pod2");
  in.brought_by = {"ns/svc"};
  const auto first = TableOf({{"ns/svc", With("svc")}, {"pod", in}});
  XdsSession session({}, first);
  Send(session, Asking({"ns/svc"}));
  CHECK(Sent(Take(session)) == Names{"ns/svc", "pod"});
  session.OnTable(TableOf({{"ns/svc", With("svc")}, {"pod", out}}, first));
  CHECK(Removed(Take(session)) == Names{"pod"});
}

TEST_CASE("asking for a name again is answered again") {
  XdsSession session({}, TableOf({{"a", With("1")}}));
  Send(session, Asking({"a"}));
  Take(session);
  Send(session, Asking({"a"}));
  CHECK(Sent(Take(session)) == Names{"a"});
}

TEST_CASE("a client may widen from names to everything") {
  XdsSession session({}, TableOf({{"a", With("1")}, {"b", With("1")}}));
  Send(session, Asking({"a"}));
  CHECK(Sent(Take(session)) == Names{"a"});
  Send(session, Asking({"*"}));
  CHECK(Sent(Take(session)) == Names{"a", "b"});
}

TEST_CASE(
    "a restricted resource is told to its gateways only, and taken back when it is theirs no "
    "more") {
  Resource mine = With("1"), theirs = With("2");
  mine.restricted = theirs.restricted = true;
  mine.gateways = {"web/way"};
  theirs.gateways = {"web/other"};
  const auto first = TableOf({{"mine", mine}, {"theirs", theirs}}, nullptr, ResourceType::kGateway);
  XdsSession session({.gateway = "web/way"}, first);
  Send(session, Asking({}, {}, ResourceType::kGateway));
  CHECK(Sent(Take(session)) == Names{"mine"});
  mine.gateways = {"web/other"};
  session.OnTable(TableOf({{"mine", mine}, {"theirs", theirs}}, first, ResourceType::kGateway));
  CHECK(Removed(Take(session)) == Names{"mine"});
  XdsSession nobody({}, first);
  Send(nobody, Asking({"mine", "theirs"}, {}, ResourceType::kGateway));
  CHECK(Sent(Take(nobody)).empty());
}

TEST_CASE("policies go out before the workloads that refer to them") {
  ResourceDraft draft;
  draft.Of(ResourceType::kAddress) = {{"a", With("1")}};
  draft.Of(ResourceType::kAuthorization) = {{"p", With("2")}};
  XdsSession session({}, ResourceTable::Build(std::move(draft), ResourceTable()));
  Send(session, Asking());
  Send(session, Asking({}, {}, ResourceType::kAuthorization));
  CHECK(session.Next()->type_url() == TypeUrl(ResourceType::kAuthorization));
  CHECK(session.Next()->type_url() == TypeUrl(ResourceType::kAddress));
  CHECK_FALSE(session.Next().has_value());
}

TEST_CASE("a type that nobody serves is ignored") {
  XdsSession session({}, TableOf({}));
  Request request;
  request.set_type_url("type.googleapis.com/envoy.config.cluster.v3.Cluster");
  const auto outcome = session.OnRequest(request);
  REQUIRE(outcome.ok());
  CHECK(outcome->unknown_type);
  CHECK_FALSE(session.Next().has_value());
}

TEST_CASE("subscriptions are bounded") {
  XdsLimits limits;
  limits.names = 3;
  limits.versions = 2;
  limits.name_bytes = 4;
  XdsSession session({}, TableOf({}), limits);
  CHECK(session.OnRequest(Asking({"a", "b"})).ok());
  CHECK_FALSE(session.OnRequest(Asking({"c", "d"})).ok());
  CHECK_FALSE(session.OnRequest(Asking({"abcde"})).ok());
  CHECK_FALSE(session.OnRequest(Asking({""})).ok());
  Request request = Asking();
  for (const char* name : {"a", "b", "c"})
    (*request.mutable_initial_resource_versions())[name] = "1";
  CHECK_FALSE(session.OnRequest(request).ok());
}

TEST_CASE("however tables and answers interleave, the client ends with what the table holds") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    unsigned state = seed;
    const auto dice = [&](unsigned sides) {
      return (state = state * 1'664'525 + 1'013'904'223, (state >> 16) % sides);
    };
    XdsSession::TableRef table = TableOf({});
    XdsSession session({}, table);
    Send(session, Asking());
    std::map<std::string, std::string> client;
    std::optional<Response> unanswered;
    const auto receive = [&] {
      unanswered = session.Next();
      if (!unanswered) return;
      for (const auto& resource : unanswered->resources())
        client[resource.name()] = resource.resource().value();
      for (const auto& name : unanswered->removed_resources()) client.erase(name);
    };
    for (int step = 0; step < 30; ++step) {
      if (dice(2) == 0) {
        Draft draft;
        for (const char* name : {"a", "b", "c", "d"}) {
          if (dice(3) != 0) draft[name] = With(std::to_string(dice(2)));
        }
        session.OnTable(table = TableOf(std::move(draft), table));
      } else if (unanswered && dice(2) == 0) {
        Send(session, Ack(*unanswered));
        unanswered.reset();
      }
      if (!unanswered) receive();
    }
    while (unanswered) {
      Send(session, Ack(*unanswered));
      receive();
    }
    CHECK(client.size() == table->Of(kType).size());
    for (const auto& [name, resource] : table->Of(kType)) CHECK(client[name] == resource->bytes);
  }
}

}  // namespace aquifer::control
