// Replicas that agree on a CA by a Secret of an API server.
#include "control/shared_ca.h"

#include <functional>
#include <map>
#include <memory>

#include "certs/local_ca.h"
#include "certs/tls_context.h"
#include "certs/tls_stream.h"
#include "control/ca_state.h"
#include "control/kube/values.h"
#include "core/http/h2_connection.h"
#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

const std::string kSecrets = "/api/v1/namespaces/mesh/secrets";

certs::TlsContextRef ServerContext(const certs::LocalCa& ca) {
  certs::PrivateKey key = certs::PrivateKey::Generate();
  certs::SubjectNames names;
  names.ips.push_back(Ip::Loopback4());
  const auto leaf =
      ca.IssueServer(key.get(), names, std::chrono::hours(1), certs::SystemWallTime());
  REQUIRE(leaf.ok());
  const std::vector<std::string> chain = ca.ResponseChain(*leaf);
  const auto bundle = certs::CertificateBundle::FromResponse(std::move(key), chain);
  REQUIRE(bundle.ok());
  return certs::TlsContext::HostServer(*bundle, certs::PeerCertificate::kNone);
}

// The Secrets of one namespace: one is read by its name, POST makes one, PATCH merges into one of
// that version. One thread: its Loop's.
class SecretStore {
 public:
  SecretStore()
      : ca_(certs::LocalCa::Create("test", certs::SystemWallTime())), tls_(ServerContext(ca_)) {
    auto listener = io::Listener::Listen({Ip::Loopback4(), 0});
    REQUIRE(listener.ok());
    listener_ = *std::move(listener);
    tasks_.Spawn(AcceptLoop());
  }
  Task<void> End() {
    stop_.RequestStop();
    co_await tasks_.Join();
  }

  ClusterAccess access() const {
    ClusterAccess access;
    access.address = listener_->local().ToString();
    access.host_name = "127.0.0.1";
    access.roots = ca_.roots()->pem();
    access.token = "let-me-in";
    return access;
  }

  std::map<std::string, std::string> secrets;  // bodies by name
  int refusals = 0;                            // so many requests are answered with 503
  int requests = 0;
  std::function<void()> before_post = [] {};
  std::function<void()> before_patch = [] {};

 private:
  Task<void> AcceptLoop() {
    while (!stop_.requested()) {
      Result<io::SocketPtr> socket = co_await listener_->Accept(stop_.token());
      if (!socket.ok()) co_return;
      tasks_.Spawn(ServeConnection(*std::move(socket)));
    }
  }

  Task<void> ServeConnection(io::SocketPtr socket) {
    StopSource own(stop_.token());
    io::StreamPtr carrier = std::move(socket);
    certs::PeerExpectation nobody = certs::OneOf{};
    auto secure = co_await certs::ServerHandshake(std::move(carrier), tls_, std::move(nobody),
                                                  certs::SystemWallTime(), own.token());
    if (!secure.ok()) co_return;
    Scope streams;
    http::H2Connection connection(http::H2Role::kServer, *std::move(secure), http::H2Options(),
                                  [&](http::H2StreamPtr stream) {
                                    streams.Spawn(ServeStream(std::move(stream), own.token()));
                                  });
    std::ignore = co_await connection.Run(own.token());
    own.RequestStop();
    co_await streams.Join();
  }

  Task<void> ServeStream(http::H2StreamPtr stream, StopToken stop) {
    std::string body;
    while (true) {
      const Result<Chunk> chunk = co_await stream->Read(stop);
      if (!chunk.ok()) co_return;
      if (chunk->empty()) break;
      body.append(chunk->text());
    }
    ++requests;
    http::ResponseHead head;
    std::string answer = "{}";
    head.status = Answer(stream->request(), body, answer);
    std::ignore = stream->Respond(head, http::EndStream::kNo);
    Chunk chunk = Chunk::CopyOf(std::string_view(answer));
    std::ignore = co_await stream->Write(std::move(chunk), stop);
    std::ignore = co_await stream->ShutdownWrite(stop);
  }

  int Answer(const http::RequestHead& request, const std::string& body, std::string& answer) {
    if (refusals > 0) {
      --refusals;
      return 503;
    }
    if (request.method == "POST") {
      before_post();
      const std::string name = Json::parse(body)["metadata"]["name"].get<std::string>();
      if (request.path != kSecrets) return 404;
      return secrets.emplace(name, body).second ? 201 : 409;
    }
    if (!request.path.starts_with(kSecrets + "/")) return 404;
    const auto found = secrets.find(request.path.substr(kSecrets.size() + 1));
    if (found == secrets.end()) return 404;
    if (request.method == "PATCH") return Merge(body, found->second);
    answer = found->second;
    return 200;
  }

  int Merge(const std::string& body, std::string& secret) {
    before_patch();
    Json object = Json::parse(secret);
    const Json patch = Json::parse(body);
    const std::string version = object["metadata"].value("resourceVersion", "");
    if (patch["metadata"]["resourceVersion"] != version) return 409;
    object.merge_patch(patch);
    object["metadata"]["resourceVersion"] = version + "1";
    secret = object.dump();
    return 200;
  }

  StopSource stop_;
  certs::LocalCa ca_;
  certs::TlsContextRef tls_;
  std::unique_ptr<io::Listener> listener_;
  Scope tasks_;
};

struct World {
  World() : log(Quiet()) {}
  static obs::LoggerOptions Quiet() {
    obs::LoggerOptions options;
    options.writer.fd = -1;
    return options;
  }

  // What a replica with that state says.
  Task<std::string> Bring(std::string state, StopToken stop = StopToken()) {
    ApiClient client(store.access(), &certs::SystemWallTime);
    SharedCa shared(client,
                    {.namespace_name = "mesh",
                     .name = "ca",
                     .state_directory = directory.Of(state),
                     .trust_domain = "cluster.local",
                     .pause = std::chrono::milliseconds(1)},
                    log);
    const Result<void, Refusal> brought = co_await shared.Bring(stop);
    co_await client.Shutdown();
    co_return brought.ok() ? "" : brought.error().ToString();
  }
  // Whether anything has changed for that replica: "yes", "no", or what it says.
  Task<std::string> Look(std::string state, certs::WallTime now) {
    ApiClient client(store.access(), &certs::SystemWallTime);
    SharedCa shared(client,
                    {.namespace_name = "mesh",
                     .name = "ca",
                     .state_directory = directory.Of(state),
                     .trust_domain = "cluster.local",
                     .clock = [now] { return now; }},
                    log);
    const Decoded<bool> changed = co_await shared.LookAgain(StopToken());
    co_await client.Shutdown();
    if (!changed.ok()) co_return changed.error().ToString();
    co_return *changed ? "yes" : "no";
  }
  // When a root that is made now is about to end.
  static certs::WallTime Late() { return certs::SystemWallTime() + std::chrono::days(3600); }

  CaFiles FilesOf(const std::string& state) {
    const Decoded<CaFiles> files = ReadCaFiles(directory.Of(state) + "/ca");
    REQUIRE(files.ok());
    return *files;
  }

  TestDirectory directory;
  obs::Logger log;
  SecretStore store;
};

using Story = Task<void> (*)(World& world);

Task<void> TellIn(Story story) {
  World world;
  co_await story(world);
  co_await world.store.End();
}
void Tell(Story story) { test::Run(TellIn(story)); }

Task<void> SecondTakesTheFirsts(World& world) {
  CHECK(co_await world.Bring("first") == "");
  CHECK(world.store.secrets.size() == 1);
  CHECK(co_await world.Bring("second") == "");
  CHECK(world.FilesOf("first").size() == 3);
  CHECK(world.FilesOf("first") == world.FilesOf("second"));
}

Task<void> FasterOneCounts(World& world) {
  CHECK(co_await world.Bring("faster") == "");
  const auto secrets = std::exchange(world.store.secrets, {});
  world.store.before_post = [&] { world.store.secrets = secrets; };
  CHECK(co_await world.Bring("slower") == "");
  CHECK(world.store.secrets == secrets);
  CHECK(world.FilesOf("slower") == world.FilesOf("faster"));
}

Task<void> AsksUntilThereIsAnAnswer(World& world) {
  world.store.refusals = 3;
  CHECK(co_await world.Bring("state") == "");
  CHECK(world.store.refusals == 0);
  CHECK(world.FilesOf("state").size() == 3);
}

Task<void> BadSecretEndsTheStart(World& world) {
  world.store.secrets["ca"] = R"({"data": {}})";
  CHECK(co_await world.Bring("state") == "Secret mesh/ca: data.ca-key.pem: is missing");
  CHECK(world.FilesOf("state").empty());
}

Task<void> AgreesOnTheSuccessor(World& world) {
  using std::chrono::days;
  CHECK(co_await world.Bring("first") == "");
  CHECK(co_await world.Bring("second") == "");
  CHECK(co_await world.Look("first", certs::SystemWallTime()) == "no");
  const CaFiles before = world.FilesOf("first");
  CHECK(co_await world.Look("first", World::Late()) == "yes");
  CHECK(world.FilesOf("first").contains("next-ca-key.pem"));
  CHECK(world.FilesOf("first").at("ca-cert.pem") == before.at("ca-cert.pem"));
  CHECK(co_await world.Look("second", World::Late()) == "yes");
  CHECK(world.FilesOf("second") == world.FilesOf("first"));
  CHECK(co_await world.Look("second", World::Late() + days(8)) == "yes");
  CHECK(world.FilesOf("second").at("ca-cert.pem") == world.FilesOf("first").at("next-ca-cert.pem"));
  CHECK(co_await world.Look("first", World::Late()) == "yes");
  CHECK(world.FilesOf("second") == world.FilesOf("first"));
}

Task<void> LosesTheRace(World& world) {
  CHECK(co_await world.Bring("faster") == "");
  CHECK(co_await world.Bring("slower") == "");
  const CaFiles before = world.FilesOf("slower");
  // Somebody else writes between reading and writing.
  world.store.before_patch = [&] {
    Json secret = Json::parse(world.store.secrets["ca"]);
    secret["metadata"]["resourceVersion"] = "another";
    world.store.secrets["ca"] = secret.dump();
  };
  CHECK(co_await world.Look("slower", World::Late()) == "no");
  CHECK(world.FilesOf("slower") == before);
}

Task<void> FollowsAnOperator(World& world) {
  CHECK(co_await world.Bring("first") == "");
  const certs::LocalCa theirs = certs::LocalCa::Create("operator", certs::SystemWallTime());
  const CaFiles files = {{"ca-key.pem", theirs.KeyPem()},
                         {"ca-cert.pem", theirs.ChainPem()},
                         {"root-cert.pem", std::string(theirs.roots()->pem())}};
  Json secret = Json::parse(CaSecretBody("mesh", "ca", files));
  secret["metadata"].erase("labels");
  world.store.secrets["ca"] = secret.dump();
  // Theirs is for them to renew.
  CHECK(co_await world.Look("first", World::Late()) == "yes");
  CHECK(world.FilesOf("first") == files);
  CHECK(world.store.secrets["ca"] == secret.dump());
}

Task<void> KeepsWhatItHas(World& world) {
  CHECK(co_await world.Bring("first") == "");
  const CaFiles before = world.FilesOf("first");
  world.store.refusals = 1;
  CHECK(co_await world.Look("first", World::Late()) == "no");
  world.store.secrets["ca"] = R"({"data": {}})";
  CHECK(co_await world.Look("first", World::Late()) ==
        "Secret mesh/ca: data.ca-key.pem: is missing");
  world.store.secrets.clear();
  CHECK(co_await world.Look("first", World::Late()) == "no");
  CHECK(world.FilesOf("first") == before);
}

Task<void> StopEndsTheWait(World& world) {
  StopSource stop;
  stop.RequestStop();
  CHECK(co_await world.Bring("state", stop.token()) == "");
  CHECK(world.FilesOf("state").empty());
}

}  // namespace

TEST_CASE("the CA of the first replica becomes the Secret, and the next one takes it") {
  Tell(&SecondTakesTheFirsts);
}
TEST_CASE("of two replicas that make a CA at once the faster one's counts") {
  Tell(&FasterOneCounts);
}
TEST_CASE("a replica asks for the CA until it has an answer") { Tell(&AsksUntilThereIsAnAnswer); }
TEST_CASE("a Secret that makes no CA ends the start") { Tell(&BadSecretEndsTheStart); }
TEST_CASE("replicas agree by the Secret on a successor of their root and when it signs") {
  Tell(&AgreesOnTheSuccessor);
}
TEST_CASE("a step that another replica was faster with is not taken") { Tell(&LosesTheRace); }
TEST_CASE("a Secret that an operator has changed is followed and never written") {
  Tell(&FollowsAnOperator);
}
TEST_CASE("a Secret that goes or makes no CA any more changes nothing") { Tell(&KeepsWhatItHas); }
TEST_CASE("a replica that is stopped does not wait for the CA") { Tell(&StopEndsTheWait); }

}  // namespace aquifer::control
