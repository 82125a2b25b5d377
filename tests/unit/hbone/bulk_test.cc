// Which connection a new tunnel gets beside tunnels that carry bulk.
#include <string>
#include <tuple>

#include "core/rt/timer.h"
#include "tests/support/run_task.h"
#include "tests/unit/hbone/mesh.h"

namespace aquifer::hbone {
namespace {

using test::AcceptLoop;
using test::HeldDialer;
using test::Mesh;
using test::OpenOne;
using test::OpenTo;

// Anything is bulk, and for long.
PoolOptions Touchy() {
  PoolOptions options;
  options.h2.bulk_bytes = 20'000;
  options.h2.bulk_span = std::chrono::hours(1);
  options.patience = std::chrono::seconds(30);
  return options;
}

// A tunnel that has carried bulk.
Task<Tunnel> OpenBulk(Mesh& mesh) {
  Result<Tunnel, TunnelError> tunnel = co_await OpenTo(mesh, mesh.Key(), 80);
  REQUIRE(tunnel.ok());
  std::ignore =
      co_await tunnel->stream->Write(Chunk::CopyOf(std::string(20'000, 'x')), StopToken());
  for (std::size_t heard = 0; heard < 20'000;) {
    const Result<Chunk> got = co_await tunnel->stream->Read(StopToken());
    REQUIRE(got.ok());
    heard += got->size();
  }
  co_return *std::move(tunnel);
}

TEST_CASE("new tunnels keep away from a connection that carries bulk, and share another") {
  const auto body = []() -> Task<void> {
    Mesh mesh(Touchy());
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      const Tunnel bulk = co_await OpenBulk(mesh);
      std::vector<Result<Tunnel, TunnelError>> small;
      Scope opening;
      for (int i = 0; i < 20; ++i) opening.Spawn(OpenOne(mesh, mesh.Key(), 80, small));
      co_await opening.Join();
      for (const Result<Tunnel, TunnelError>& tunnel : small) CHECK(tunnel.ok());
      CHECK(mesh.accepted == 2);
      CHECK((co_await OpenTo(mesh, mesh.Key(), 80)).ok());
      CHECK(mesh.accepted == 2);
    }
    co_await mesh.Finish();
  };
  aquifer::test::Run(body());
}

TEST_CASE("bulk gets a bounded number of connections") {
  const auto body = []() -> Task<void> {
    Mesh mesh(Touchy());
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      std::vector<Tunnel> bulk;
      for (int i = 0; i < 12; ++i) bulk.push_back(co_await OpenBulk(mesh));
      CHECK(mesh.accepted == 4);
    }
    co_await mesh.Finish();
  };
  aquifer::test::Run(body());
}

TEST_CASE("a tunnel takes bulk's connection when no other can be had") {
  const auto body = []() -> Task<void> {
    PoolOptions options = Touchy();
    options.patience = std::chrono::milliseconds(5);
    Mesh mesh(options);
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      const Tunnel bulk = co_await OpenBulk(mesh);
      const auto held = std::make_shared<HeldDialer>();
      mesh.dialer = held;
      CHECK((co_await OpenTo(mesh, mesh.Key(), 80)).ok());
      CHECK(held->dials.size() == 1);
      // Nor does a dial that fails fail who has another way.
      std::vector<Result<Tunnel, TunnelError>> small;
      Scope opening;
      opening.Spawn(OpenOne(mesh, mesh.Key(), 80, small));
      held->dials[0]->fails = true;
      held->dials[0]->decided.Set();
      co_await opening.Join();
      CHECK(small.front().ok());
    }
    CHECK(mesh.accepted == 1);
    co_await mesh.Finish();
  };
  aquifer::test::Run(body());
}

// Fails each dial at once until the test lets them through.
class RefusingDialer final : public Dialer {
 public:
  Task<Result<io::SocketPtr>> Dial(Address to, StopToken stop) override {
    at.push_back(Loop::Current().now());
    if (refuses) co_return Error{Reason::kConnectRefused};
    co_return co_await io::Connect(to, stop);
  }

  std::vector<TimePoint> at;
  bool refuses = true;
};

TEST_CASE("a connection that cannot be had beside bulk is tried for seldom, and ever more so") {
  const auto body = []() -> Task<void> {
    PoolOptions options = Touchy();
    options.first_pause = std::chrono::milliseconds(20);
    Mesh mesh(options);
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      const Tunnel bulk = co_await OpenBulk(mesh);
      const auto refusing = std::make_shared<RefusingDialer>();
      mesh.dialer = refusing;
      std::size_t opened = 0;
      while (refusing->at.size() < 4) {
        CHECK((co_await OpenTo(mesh, mesh.Key(), 80)).ok());
        ++opened;
        std::ignore = co_await SleepFor(std::chrono::milliseconds(5), StopToken());
      }
      CHECK(opened > refusing->at.size());
      for (std::size_t i = 1; i < refusing->at.size(); ++i)
        CHECK(refusing->at[i] - refusing->at[i - 1] >= options.first_pause * (1 << (i - 1)));
      refusing->refuses = false;
      while (mesh.accepted == 1) {
        CHECK((co_await OpenTo(mesh, mesh.Key(), 80)).ok());
        std::ignore = co_await SleepFor(std::chrono::milliseconds(5), StopToken());
      }
      CHECK(refusing->at.size() == 5);
    }
    co_await mesh.Finish();
  };
  aquifer::test::Run(body());
}

TEST_CASE("only the first tunnel waits for a connection that cannot be had beside bulk") {
  const auto body = []() -> Task<void> {
    PoolOptions options = Touchy();
    options.first_pause = options.longest_pause = std::chrono::hours(1);
    Mesh mesh(options);
    mesh.connections.Spawn(AcceptLoop(mesh));
    {
      const Tunnel bulk = co_await OpenBulk(mesh);
      const auto refusing = std::make_shared<RefusingDialer>();
      mesh.dialer = refusing;
      for (int i = 0; i < 5; ++i) CHECK((co_await OpenTo(mesh, mesh.Key(), 80)).ok());
      CHECK(refusing->at.size() == 1);
    }
    CHECK(mesh.accepted == 1);
    co_await mesh.Finish();
  };
  aquifer::test::Run(body());
}

}  // namespace
}  // namespace aquifer::hbone
