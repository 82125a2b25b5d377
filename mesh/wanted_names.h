// The names that an on-demand client has asked its control plane for ("<network>/<address>",
// "<namespace>/<hostname>", uids), and what came of it.
//   something, of a resource   holds while that resource is there and has the name
//   what cannot be read        the same, and whoever needs it is refused
//   nothing                    holds for a moment: control planes tell of changes to resources that
//                              a client was sent, not all of them of one that comes to an address
// A resource that goes, or has the name no more, takes the answer along. What holds no more is
// asked anew by whoever needs it: unsubscribed and subscribed, in requests of their own and in this
// order, since to be told of a name that it has been told of before is to some control planes no
// question. Bounded: the names without anything behind them that were wanted longest ago go first.
// One thread: the control loop's.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "core/rt/timer_queue.h"

namespace aquifer::mesh {

class WantedNames {
 public:
  struct Limits {
    std::size_t names = 65'536;      // remembered
    std::size_t unanswered = 4'096;  // of them
    std::size_t name_bytes = 1024;
    Clock::duration nothing_holds = std::chrono::seconds(1);  // since it was asked
  };
  enum class Verdict {
    kAnswered,    // nothing to wait for
    kPending,     // an answer is on its way, or will be
    kRefused,     // a limit is reached
    kUnreadable,  // there is something, and nobody knows what
  };

  WantedNames() = default;
  explicit WantedNames(const Limits& limits) : limits_(limits) {}

  // For who needs a name that is not known.
  Verdict Want(std::string_view name, TimePoint now);
  // For who has wanted it and waited: an answer is one however long it took.
  Verdict Look(std::string_view name, TimePoint now);

  // A resource that came, known by its name and `aliases`. Whether names waited for it. One that
  // cannot be read and has no usable name either has the name "".
  enum class Readable : bool { kNo, kYes };
  bool Take(std::string_view resource, const std::vector<std::string_view>& aliases,
            Readable readable);
  // There is nothing (any more) of this name, which is a resource's or one that was asked for.
  bool Remove(std::string_view name);

  // What the control plane has not been told yet, moved out: at most `limit` names, of one kind.
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
  enum class State { kUnanswered, kAbsent, kPresent, kUnreadable };
  struct Entry {
    State state = State::kUnanswered;
    bool told = false;  // the stream has been
    bool lost = false;  // while absent: something was there
    TimePoint asked;
    std::string resource;                         // whose answer it has; empty: nobody's
    std::list<std::string_view>::iterator place;  // among absent_, while there
  };
  using Entries = absl::node_hash_map<std::string, Entry>;

  Verdict VerdictOf(const Entry& entry) const;
  bool Holds(const Entry& entry, TimePoint now) const;
  Verdict AskAnew(Entries::iterator entry, TimePoint now);
  bool AnswerBy(std::string_view name, std::string_view resource, State state);
  void Lose(Entries::iterator entry);
  void Detach(Entries::iterator entry);
  void Set(Entries::iterator entry, State state);
  bool MakeRoom();

  Limits limits_;
  Entries entries_;
  // The names that a resource has answered; keys of entries_.
  absl::flat_hash_map<std::string, std::vector<std::string_view>> by_resource_;
  std::list<std::string_view> absent_;  // wanted longest ago first; keys of entries_
  std::size_t unanswered_ = 0;
  std::vector<std::string> to_subscribe_;  // may hold what has been told or forgotten since
  std::vector<std::string> to_unsubscribe_;
};

}  // namespace aquifer::mesh
