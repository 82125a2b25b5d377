#include "core/io/seqpacket.h"

#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/run_task.h"

namespace aquifer::io {
namespace {

using std::chrono::milliseconds;

// A listener that takes nobody until it is told to.
struct Busy {
  Busy() {
    std::string name = std::filesystem::temp_directory_path() / "aquifer-seqpacket-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    Result<std::unique_ptr<SeqpacketListener>> made = SeqpacketListener::Listen(path());
    REQUIRE(made.ok());
    listener = *std::move(made);
  }
  ~Busy() { std::filesystem::remove_all(folder); }
  std::string path() const { return folder / "socket"; }
  // Dials until nobody else has room.
  Task<void> Fill() {
    while (true) {
      TimedStop timed(StopToken(), milliseconds(20), Reason::kConnectTimeout);
      Result<SeqpacketSocketPtr> client = co_await ConnectSeqpacket(path(), timed.token());
      if (!client) {
        CHECK(client.error().reason == Reason::kConnectTimeout);
        break;
      }
      clients.push_back(*std::move(client));
      REQUIRE(clients.size() < 1000);
    }
  }

  std::filesystem::path folder;
  std::unique_ptr<SeqpacketListener> listener;
  std::vector<SeqpacketSocketPtr> clients;
};

Task<void> DialInto(std::string path, StopToken stop, Result<SeqpacketSocketPtr>& out) {
  out = co_await ConnectSeqpacket(std::move(path), stop);
}

Task<void> WaitsForRoom() {
  Busy busy;
  co_await busy.Fill();
  Result<SeqpacketSocketPtr> patient = Error{Reason::kNotFound};
  Result<SeqpacketSocketPtr> given_up = Error{Reason::kNotFound};
  StopSource stop;
  Scope dialling;
  dialling.Spawn(DialInto(busy.path(), stop.token(), given_up));
  // Its first attempt is over when it comes to its first timer.
  std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  CHECK(dialling.live() == 1);
  stop.RequestStop(Reason::kDrained);
  co_await dialling.Join();
  CHECK(given_up.error().reason == Reason::kDrained);

  dialling.Spawn(DialInto(busy.path(), StopToken(), patient));
  Result<SeqpacketSocketPtr> accepted = co_await busy.listener->Accept(StopToken());
  REQUIRE(accepted.ok());
  co_await dialling.Join();
  REQUIRE(patient.ok());
  CHECK((::fcntl((*patient)->fd(), F_GETFL) & O_NONBLOCK) == 0);
}

}  // namespace

TEST_CASE("a Unix listener whose queue is full is waited for, and a stop ends the wait") {
  test::Run(WaitsForRoom());
}

TEST_CASE("a dial to where nobody listens fails at once") {
  const auto body = []() -> Task<void> {
    Busy busy;
    busy.listener.reset();
    const Result<SeqpacketSocketPtr> refused = co_await ConnectSeqpacket(busy.path(), StopToken());
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().reason == Reason::kConnectRefused);
  };
  test::Run(body());
}

}  // namespace aquifer::io
