// Reader, controller and writer of one replica beside an API server: what is written to the
// objects, when, and by whom.
#include "control/write/cluster_writer.h"

#include "control/controller.h"
#include "control/kube/cluster_reader.h"
#include "control/reconcile/gateway_class.h"
#include "core/rt/timer.h"
#include "tests/component/control/cluster.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/story.h"

namespace aquifer::control {
namespace {

using aquifer::test::Tell;

using std::chrono::milliseconds;

const std::string kGatewayApi = "/apis/gateway.networking.k8s.io/v1/";
const std::string kLeases = "/apis/coordination.k8s.io/v1/leases";
const std::string kLease = "/apis/coordination.k8s.io/v1/namespaces/here/leases/aquifer-control";
const std::string kRouteStatus = kGatewayApi + "namespaces/edge/httproutes/r/status";
const std::string kClassStatus = kGatewayApi + "gatewayclasses/aquifer/status";
const std::string kGatewayStatus = kGatewayApi + "namespaces/edge/gateways/gw/status";

std::string ObjectJson(const std::string& name, const std::string& rest) {
  return R"({"metadata":{"namespace":"edge","name":")" + name + R"(","uid":"u-)" + name +
         R"(","generation":1},)" + rest + "}";
}
std::string LeaseOf(const std::string& holder) {
  return R"({"metadata":{"name":"aquifer-control","namespace":"here"},"spec":{"holderIdentity":")" +
         holder + R"(","leaseDurationSeconds":3600}})";
}

ClusterWriterOptions OptionsOf(const std::string& identity) {
  ClusterWriterOptions options;
  options.leader.namespace_name = "here";
  options.leader.identity = identity;
  options.leader.times.retry = milliseconds(5);
  options.queue.first_backoff = milliseconds(2);
  return options;
}

class World {
 public:
  World()
      : log_(test::QuietLog()), metrics_(registry_), controller_(MeshSettings(), log_, metrics_) {
    server.Serve(kLeases);
  }

  // An ingress gateway that serves, and a route on it.
  void PutMesh() {
    server.Put(kGatewayApi + "gateways",
               ObjectJson("gw", R"("spec":{"gatewayClassName":"aquifer","listeners":[
                              {"name":"http","port":80,"protocol":"HTTP"}]})"));
    server.Put(
        kGatewayApi + "httproutes",
        ObjectJson("r",
                   R"("spec":{"parentRefs":[{"name":"theirs"},{"name":"gw"}]},"status":{"parents":[
            {"parentRef":{"name":"theirs"},"controllerName":"example.com/x","conditions":[]}]})"));
    server.Put("/api/v1/pods", R"({"metadata":{"namespace":"edge","name":"p","labels":{
        "gateway.networking.k8s.io/gateway-name":"gw"}},"status":{"podIP":"10.0.0.1"}})");
  }
  void Start(ClusterWriterOptions options) {
    const ClusterAccess access = server.access();
    writer.emplace(access, std::move(options), log_, metrics_, 1);
    tasks_.Spawn(writer->Run(stop_.token()));
    reader_.emplace(
        access, [this](Observation seen) { Take(std::move(seen)); }, log_, FollowOptions(), 2);
  }
  Task<void> StopWriting() {
    stop_.RequestStop();
    co_await tasks_.Join();
  }
  Task<void> End() {
    if (reader_) co_await reader_->End();
    co_await StopWriting();
    co_await server.End();
  }

  // Waits until that holds; looked at with each request.
  using Holds = bool (*)(const World& world);
  Task<void> Until(Holds holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (!holds(*this)) {
      const Status waited = co_await server.news().Wait(timed.token());
      REQUIRE(waited.ok());
    }
  }

  int Sent(const std::string& method, const std::string& path) const {
    int count = 0;
    for (const ApiServer::Sent& sent : server.sent())
      count += sent.method == method && sent.target.substr(0, sent.target.find('?')) == path;
    return count;
  }
  const ApiServer::Sent& Last(const std::string& path) const {
    const ApiServer::Sent* last = nullptr;
    for (const ApiServer::Sent& sent : server.sent()) {
      if (sent.target.substr(0, sent.target.find('?')) == path) last = &sent;
    }
    REQUIRE(last != nullptr);
    return *last;
  }
  std::string Holder() const {
    const Json* lease = server.Find(kLeases, "aquifer-control");
    return lease == nullptr ? "none" : (*lease)["spec"]["holderIdentity"].get<std::string>();
  }

  mutable ApiServer server;
  std::optional<ClusterWriter> writer;

 private:
  void Take(Observation seen) {
    writer->Take(controller_.Take(std::move(seen)));
    server.news().Wake();
  }

  obs::Logger log_;
  obs::Registry registry_;
  ControlMetrics metrics_;
  Controller controller_;
  StopSource stop_;
  std::optional<ClusterReader> reader_;
  Scope tasks_;
};

bool WroteBoth(const World& w) {
  return w.Sent("PATCH", kGatewayStatus) > 0 && w.Sent("PATCH", kRouteStatus) > 0;
}

Task<void> WritesStatuses(World& world) {
  world.PutMesh();
  world.Start(OptionsOf("me"));
  co_await world.Until(&WroteBoth);
  const ApiServer::Sent& gateway = world.Last(kGatewayStatus);
  CHECK(gateway.target == kGatewayStatus + "?fieldManager=aquifer-control&force=true");
  CHECK(gateway.content_type == "application/apply-patch+yaml");
  CHECK(gateway.body["status"]["conditions"][2]["type"] == "Ready");
  CHECK(gateway.body["status"]["conditions"][2]["status"] == "True");
  CHECK(gateway.body["status"]["addresses"][0]["value"] == "10.0.0.1");
  const Json& parents = (*world.server.Find(kGatewayApi + "httproutes", "r"))["status"]["parents"];
  REQUIRE(parents.size() == 2);
  CHECK(parents[0]["controllerName"] == "example.com/x");
  CHECK(parents[1]["parentRef"] == Json{{"name", "gw"}});
  CHECK(parents[1]["conditions"][0]["reason"] == "Accepted");
}

Task<void> WritesOnce(World& world) {
  world.PutMesh();
  world.Start(OptionsOf("me"));
  co_await world.Until(&WroteBoth);
  // What was written has come back by the watch by the time that something later is written.
  world.server.Put("/apis/security.istio.io/v1/authorizationpolicies",
                   ObjectJson("p", R"("spec":{"action":"DENY"})"));
  co_await world.Until([](const World& w) {
    return w.Sent("PATCH",
                  "/apis/security.istio.io/v1/namespaces/edge/authorizationpolicies/p/status") > 0;
  });
  CHECK(world.Sent("PATCH", kGatewayStatus) == 1);
  CHECK(world.Sent("PATCH", kRouteStatus) == 1);
}

Task<void> TriesAgain(World& world) {
  world.PutMesh();
  world.server.Answer(kRouteStatus, 409, "somebody was faster");
  world.Start(OptionsOf("me"));
  co_await world.Until([](const World& w) { return w.server.CountsOf(kRouteStatus).refused >= 2; });
  CHECK(world.Sent("PATCH", kRouteStatus) == 0);
  world.server.Answer(kRouteStatus, 0);
  co_await world.Until(&WroteBoth);
}

Task<void> MakesClasses(World& world) {
  world.Start(OptionsOf("me"));
  co_await world.Until([](const World& w) {
    const Json* made = w.server.Find(kGatewayApi + "gatewayclasses", "istio-waypoint");
    return made != nullptr && made->contains("status") &&
           w.Sent("POST", kGatewayApi + "gatewayclasses") == 5;
  });
  const Json& made = *world.server.Find(kGatewayApi + "gatewayclasses", "istio-waypoint");
  CHECK(made["spec"]["controllerName"] == "aquifer.io/controller");
  CHECK(made["status"]["conditions"][0]["reason"] == "Accepted");
  CHECK(made["status"]["supportedFeatures"].size() == SupportedFeatures().size());
}

Task<void> LeavesFeaturesOut(World& world) {
  world.server.Answer(kClassStatus, 400, ".status.supportedFeatures: field not declared in schema");
  world.Start(OptionsOf("me"));
  co_await world.Until([](const World& w) { return w.server.CountsOf(kClassStatus).refused >= 1; });
  world.server.Answer(kClassStatus, 0);
  co_await world.Until([](const World& w) { return w.Sent("PATCH", kClassStatus) > 0; });
  CHECK_FALSE(world.Last(kClassStatus).body["status"].contains("supportedFeatures"));
}

Task<void> LeavesItToTheLeader(World& world) {
  world.PutMesh();
  world.server.Put(kLeases, LeaseOf("other"));
  world.Start(OptionsOf("me"));
  co_await world.Until([](const World& w) {
    return w.server.CountsOf("/api/v1/pods").watches > 0 && w.server.CountsOf(kLease).pages >= 3;
  });
  CHECK_FALSE(world.writer->leads());
  CHECK(world.server.sent().empty());
  // Given up: ours at once.
  world.server.Put(kLeases, LeaseOf(""));
  co_await world.Until(&WroteBoth);
  CHECK(world.writer->leads());
  CHECK(world.Holder() == "me");
}

Task<void> GivesItUp(World& world) {
  world.Start(OptionsOf("me"));
  co_await world.Until([](const World& w) { return w.writer->leads(); });
  CHECK(world.Holder() == "me");
  co_await world.StopWriting();
  CHECK(world.Holder() == "");
  CHECK_FALSE(world.writer->leads());
}

Task<void> LosesIt(World& world) {
  ClusterWriterOptions options = OptionsOf("me");
  options.leader.times.renew_deadline = milliseconds(300);
  world.Start(std::move(options));
  co_await world.Until([](const World& w) { return w.writer->leads(); });
  world.server.Answer(kLease, 500, "away");
  co_await world.Until([](const World& w) { return !w.writer->leads(); });
  world.server.Answer(kLease, 0);
  co_await world.Until([](const World& w) { return w.writer->leads(); });
}

}  // namespace

TEST_CASE("statuses are written to their objects, and others' parts stay") {
  Tell(&WritesStatuses);
}
TEST_CASE("a status that comes back is not written again") { Tell(&WritesOnce); }
TEST_CASE("a status that somebody else was faster with is read and written again") {
  Tell(&TriesAgain);
}
TEST_CASE("GatewayClasses that are missing are made and accepted") { Tell(&MakesClasses); }
TEST_CASE("a class whose definition knows no features is accepted without them") {
  Tell(&LeavesFeaturesOut);
}
TEST_CASE("who does not lead writes nothing until the lease is free") {
  Tell(&LeavesItToTheLeader);
}
TEST_CASE("a clean end gives the lease up") { Tell(&GivesItUp); }
TEST_CASE("who cannot renew the lease leads no longer, and again when it can") { Tell(&LosesIt); }

}  // namespace aquifer::control
