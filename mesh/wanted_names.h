// The names that an on-demand client has asked its control plane for ("<network>/<address>",
// "<namespace>/<hostname>", uids), and what came of it. A name stays asked for, so that what is
// made later under it is told, too; that there is nothing is an answer that holds until then.
// Bounded: the names without anything behind them that were wanted longest ago go first. One
// thread: the control loop's.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/node_hash_map.h"

namespace aquifer::mesh {

class WantedNames {
 public:
  struct Limits {
    std::size_t names = 65'536;      // remembered
    std::size_t unanswered = 4'096;  // of them
    std::size_t name_bytes = 1024;
  };
  enum class Verdict {
    kAnswered,  // nothing to wait for
    kPending,   // an answer is on its way, or will be
    kRefused,   // a limit is reached
  };

  WantedNames() = default;
  explicit WantedNames(const Limits& limits) : limits_(limits) {}

  Verdict Want(std::string_view name);
  // Whether it was one of ours that waited.
  bool Answer(std::string_view name, bool present);

  // What the control plane has not been told yet, moved out: at most `limit` names in all.
  struct Changes {
    std::vector<std::string> subscribe;
    std::vector<std::string> unsubscribe;

    bool empty() const { return subscribe.empty() && unsubscribe.empty(); }
  };
  Changes TakeChanges(std::size_t limit);
  bool changed() const { return !to_subscribe_.empty() || !to_unsubscribe_.empty(); }
  // For a new stream: every name, as if it had not been told yet.
  void TellAllAgain();

  std::size_t size() const { return entries_.size(); }
  std::size_t unanswered() const { return unanswered_; }

 private:
  enum class State { kUnanswered, kAbsent, kPresent };
  struct Entry {
    State state = State::kUnanswered;
    std::list<std::string_view>::iterator place;  // among absent_, while there
  };
  using Entries = absl::node_hash_map<std::string, Entry>;
  bool MakeRoom();
  void Set(Entries::iterator entry, State state);

  Limits limits_;
  Entries entries_;
  std::list<std::string_view> absent_;  // wanted longest ago first; keys of entries_
  std::size_t unanswered_ = 0;
  std::vector<std::string> to_subscribe_;
  std::vector<std::string> to_unsubscribe_;
};

}  // namespace aquifer::mesh
