// HBONE from party to party while anything may go wrong, in drawn cases, several at a time.
#include "tests/component/fault/hbone_world.h"
#include "tests/component/fault/left.h"
#include "tests/support/run_task.h"

namespace aquifer::hbone::test {
namespace {

constexpr int kBeside = 8;

Task<void> RunOne(const Credentials& credentials, std::uint64_t seed,
                  std::vector<std::string>& complaints) {
  World world(credentials, seed);
  const std::vector<std::string> told = co_await world.Run();
  for (const std::string& complaint : told)
    complaints.push_back(std::to_string(seed) + ": " + complaint);
}

Task<void> DrawWorlds(std::uint64_t first_seed, int count) {
  const Credentials credentials;
  const aquifer::test::Left left;
  for (int i = 0; i < count; i += kBeside) {
    const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
    std::vector<std::string> complaints;
    Scope scope;
    for (std::uint64_t j = 0; j < kBeside; ++j)
      scope.Spawn(RunOne(credentials, seed + j, complaints));
    co_await scope.Join();
    left.Compare(complaints);
    aquifer::test::Report(seed, complaints);
  }
}

}  // namespace

TEST_CASE("tunnels whose connections, servers and owners fail at random never lie about an end") {
  const std::uint64_t seed = aquifer::test::SeedOf("hbone");
  aquifer::test::Run(DrawWorlds(seed, 240 * aquifer::test::Rounds()));
}

}  // namespace aquifer::hbone::test
