#include "node-proxy/pod_budget.h"

#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace aquifer::node {
namespace {

constexpr NodeBounds kBounds300 = {300, 30, 30};

std::size_t Fill(PodBudget& pod, Bound bound = Bound::kDescriptors) {
  while (pod.TryEnter(bound)) {
  }
  return pod.used(bound);
}

void Empty(PodBudget& pod, Bound bound = Bound::kDescriptors) {
  while (pod.used(bound) > 0) pod.Leave(bound);
}

TEST_CASE("a pod that is alone gets two thirds, and a hundred that want all get equal parts") {
  NodeBudget node(kBounds300);
  const auto alone = node.Of("alone");
  CHECK(Fill(*alone) == 200);
  const auto second = node.Of("second");
  CHECK(Fill(*second) >= 66);  // of the hundred that are left
  Empty(*alone);
  Empty(*second);

  std::vector<std::shared_ptr<PodBudget>> all;
  for (int i = 0; i < 100; ++i) all.push_back(node.Of(std::to_string(i)));
  // One after the other, all at the same pace.
  for (bool more = true; more;) {
    more = false;
    for (const auto& pod : all) more = pod->TryEnter(Bound::kDescriptors) || more;
  }
  for (const auto& pod : all) {
    CHECK(pod->used(Bound::kDescriptors) >= 2);
    CHECK(pod->used(Bound::kDescriptors) <= 3);
    Empty(*pod);
  }
  CHECK(node.used(Bound::kDescriptors) == 0);
}

TEST_CASE("beside pods that want everything a newcomer finds room") {
  NodeBudget node(kBounds300);
  const auto first = node.Of("first");
  const auto second = node.Of("second");
  for (bool more = true; more;) {
    more = first->TryEnter(Bound::kDescriptors);
    more = second->TryEnter(Bound::kDescriptors) || more;
  }
  CHECK(first->used(Bound::kDescriptors) == 120);
  CHECK(second->used(Bound::kDescriptors) == 120);
  const auto newcomer = node.Of("newcomer");
  CHECK(Fill(*newcomer) == 40);
  // What one gives back another may have.
  Empty(*first);
  CHECK(second->TryEnter(Bound::kDescriptors));
  Empty(*second);
  Empty(*newcomer);
}

TEST_CASE("bounds are counted apart, and listeners are nobody's") {
  NodeBudget node(kBounds300);
  const auto pod = node.Of("pod");
  CHECK(Fill(*pod, Bound::kHandshakes) == 20);
  CHECK(pod->TryEnter(Bound::kDescriptors));
  pod->Enter(Bound::kHandshakes);  // not asked for
  CHECK(pod->used(Bound::kHandshakes) == 21);
  Empty(*pod, Bound::kHandshakes);
  Empty(*pod);
  node.Reserve(150);
  CHECK(Fill(*pod) == 100);
  Empty(*pod);
  node.Release(150);
}

TEST_CASE("a place gives back what it counted, a socket when it is closed") {
  NodeBudget node(kBounds300);
  const auto pod = node.Of("pod");
  REQUIRE(pod->TryEnter(Bound::kDials));
  {
    Place place(pod, Bound::kDials);
    Place moved(std::move(place));
    CHECK(pod->used(Bound::kDials) == 1);
    CHECK(moved);
    moved = Place();
    CHECK(pod->used(Bound::kDials) == 0);
  }
  REQUIRE(pod->TryEnter(Bound::kDescriptors));
  auto socket = std::make_unique<io::Socket>(UniqueFd());
  Place(pod, Bound::kDescriptors).StayWith(*socket);
  CHECK(pod->used(Bound::kDescriptors) == 1);
  socket.reset();
  CHECK(pod->used(Bound::kDescriptors) == 0);
}

TEST_CASE("the workers of a pod share its budget, which goes with the last of them") {
  NodeBudget node(kBounds300);
  std::shared_ptr<PodBudget> one = node.Of("pod");
  CHECK(node.Of("pod") == one);
  REQUIRE(one->TryEnter(Bound::kDescriptors));
  {
    // What is counted outlives the pod's own hold, and is known to who comes next.
    const Place tunnel(std::move(one), Bound::kDescriptors);
    CHECK(node.Of("pod")->used(Bound::kDescriptors) == 1);
  }
  CHECK(node.Of("pod")->used(Bound::kDescriptors) == 0);
}

TEST_CASE("workers that count at the same time lose nothing") {
  NodeBudget node({1'000'000, 1, 1});
  constexpr int kEach = 20'000;
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&node, i] {
      const auto pod = node.Of(i % 2 == 0 ? "even" : "odd");
      for (int n = 0; n < kEach; ++n) {
        if (pod->TryEnter(Bound::kDescriptors) && n % 4 != 0) pod->Leave(Bound::kDescriptors);
      }
      for (int n = 0; n < kEach / 4; ++n) pod->Leave(Bound::kDescriptors);
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(node.used(Bound::kDescriptors) == 0);
}

TEST_CASE("few descriptors leave something for the process itself and for each bound") {
  for (const std::size_t descriptors : {2, 100, 512, 1024, 20'000, 1'048'576}) {
    const NodeBounds bounds = BoundsFor(descriptors);
    CAPTURE(descriptors);
    CHECK(bounds[0] < descriptors);
    CHECK(bounds[0] >= descriptors / 2);
    for (const std::size_t bound : bounds) CHECK(bound >= 1);
    CHECK(bounds[1] <= 1536);
  }
}

}  // namespace
}  // namespace aquifer::node
