#include "control/review_places.h"

#include <utility>

namespace aquifer::control {
namespace {

using Standing = ReviewPlaces::Standing;

// Together fewer than the 100 requests that an API server allows on one connection.
constexpr std::array<int, 3> kMaxAsking = {48, 24, 16};
// All proxies of a large mesh come back at once when a control plane has started.
constexpr std::array<int, 3> kMaxWaiting = {1024, 512, 64};
// A proxy shows its token on two connections; several may be behind one address.
constexpr int kMaxOfPeer = 4;
// And asks for several certificates at once, each time with its token.
constexpr int kMaxJoiningOfPeer = 32;

}  // namespace

bool ReviewPlaces::Enter(const Seeker& seeker) {
  const auto standing = static_cast<size_t>(seeker.standing);
  if (halls_[standing].asking >= kMaxAsking[standing]) return false;
  ++halls_[standing].asking;
  tokens_.insert(seeker.token);
  return true;
}

void ReviewPlaces::Release(OfPeer::key_type peer) {
  const auto found = of_peer_.find(peer);
  if (found != of_peer_.end() && --found->second == 0) of_peer_.erase(found);
}

void ReviewPlaces::Leave(const Seeker& seeker) {
  --halls_[static_cast<size_t>(seeker.standing)].asking;
  tokens_.erase(seeker.token);
  Release({seeker.standing, Coming::kFirst, seeker.peer});
  left_.Wake();
}

Task<ReviewPlaces::Outcome> ReviewPlaces::Take(Seeker seeker, StopToken stop) {
  const bool joins = tokens_.contains(seeker.token);
  const OfPeer::key_type peer(seeker.standing, joins ? Coming::kJoins : Coming::kFirst,
                              seeker.peer);
  if (seeker.standing != Standing::kKnown) {
    const auto found = of_peer_.find(peer);
    const int most = joins ? kMaxJoiningOfPeer : kMaxOfPeer;
    if (found != of_peer_.end() && found->second >= most) co_return Outcome::kNone;
    ++of_peer_[peer];
  }
  const auto standing = static_cast<size_t>(seeker.standing);
  bool joined = false;
  Outcome outcome = Outcome::kNone;
  while (!stop.requested()) {
    const bool asked = tokens_.contains(seeker.token);
    if (joined && !asked) {
      outcome = Outcome::kAnswered;
      break;
    }
    joined = asked;
    if (!asked && Enter(seeker)) co_return Outcome::kTaken;  // Leave releases the rest
    if (!asked && seeker.standing == Standing::kStranger) break;
    if (halls_[standing].waiting >= kMaxWaiting[standing]) break;
    ++halls_[standing].waiting;
    const Status waited = co_await left_.Wait(stop);
    --halls_[standing].waiting;
    if (!waited.ok()) break;
  }
  Release(peer);
  co_return outcome;
}

}  // namespace aquifer::control
