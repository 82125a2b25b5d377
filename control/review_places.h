// Who may have a token reviewed when many want to: the API server's time is bounded, and whoever
// can reach us can show a token. Callers that it has vouched for before have places of their own,
// so have those that speak from the address of the pod that they claim to be, and everybody else
// has few: strangers with ever new tokens are in each other's way only. A token is asked about once
// at a time. One thread: its Loop's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "core/base/address.h"
#include "core/rt/event.h"
#include "core/rt/task.h"

namespace aquifer::control {

class ReviewPlaces {
 public:
  enum class Standing : std::uint8_t {
    kKnown,     // the API server has vouched for that token
    kAtHome,    // the peer has the address of the pod that the token claims
    kStranger,  // anybody
  };
  struct Seeker {
    std::string token;  // a hash of it
    Ip peer;
    Standing standing = Standing::kStranger;
  };
  enum class Outcome : std::uint8_t {
    kTaken,     // ask, then Leave
    kAnswered,  // somebody else has asked about the same token meanwhile
    kNone,      // too many ask, or `stop`
  };

  // Those who are not strangers wait for a place.
  Task<Outcome> Take(Seeker seeker, StopToken stop);
  void Leave(const Seeker& seeker);

 private:
  // Calls with a token that is under review already are counted by themselves.
  enum class Coming : std::uint8_t { kFirst, kJoins };
  using OfPeer = std::map<std::tuple<Standing, Coming, Ip>, int>;
  struct Hall {
    int asking = 0;
    int waiting = 0;
  };

  bool Enter(const Seeker& seeker);
  void Release(OfPeer::key_type peer);

  std::array<Hall, 3> halls_;  // by standing
  OfPeer of_peer_;             // that ask or wait; not of those who are known
  std::set<std::string> tokens_;
  Event left_;
};

}  // namespace aquifer::control
