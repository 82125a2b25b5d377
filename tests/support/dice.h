// Chance for tests that draw their cases: one seed makes one run. The seed is printed, and
// AQUIFER_SEED sets it, so that a failure can be had again.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
#include <random>

namespace aquifer::test {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : generator_(seed) {}

  // 0 to `count` - 1.
  std::size_t Below(std::size_t count) { return generator_() % count; }
  bool Chance(unsigned percent) { return Below(100) < percent; }
  template <class T>
  T Pick(std::initializer_list<T> choices) {
    return *std::next(choices.begin(), static_cast<std::ptrdiff_t>(Below(choices.size())));
  }
  // Mostly little, sometimes a lot: what fits a packet, a buffer, and more than any buffer.
  std::size_t Size() {
    const std::size_t most = Pick<std::size_t>({1, 16, 300, 5'000, 40'000, 300'000});
    return Below(most + 1);
  }
  std::uint64_t Seed() { return generator_(); }

 private:
  std::mt19937_64 generator_;
};

// AQUIFER_SEED, or another one in each run; printed with the name of the test that uses it.
inline std::uint64_t SeedOf(const char* test) {
  const char* const set = std::getenv("AQUIFER_SEED");
  const std::uint64_t seed =
      set != nullptr ? std::strtoull(set, nullptr, 10) : std::random_device()();
  std::printf("%s: AQUIFER_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

// How many times as long as usual a drawn test goes on: AQUIFER_ROUNDS, for a night.
inline int Rounds() {
  const char* const set = std::getenv("AQUIFER_ROUNDS");
  const int rounds = set == nullptr ? 1 : std::atoi(set);
  return rounds < 1 ? 1 : rounds;
}

}  // namespace aquifer::test
