// Keeps the objects of one kind as the API server has them: lists them in pages, then watches from
// there on, with bookmarks, for as long as it lasts. What happens when:
//   the watch ends in good order   the next one goes on from the last resourceVersion
//   the connection breaks          the same, after a back-off; the objects stay
//   410 Gone, any other refusal    a new list, after a back-off; the objects stay until it is whole
//   404: this version is not       the next best one; if there is none, it counts as a kind without
//   served                         objects, and is asked for again from time to time
//   an answer is too large         the next list has smaller pages
// Requests are for all namespaces. One thread: its Loop's.
#pragma once

#include <random>
#include <string>

#include "core/obs/log.h"
#include "kube/api_client.h"
#include "kube/kind.h"
#include "kube/watch_events.h"

namespace aquifer::kube {

struct FollowOptions {
  Clock::duration first_backoff = std::chrono::milliseconds(200);
  Clock::duration longest_backoff = std::chrono::seconds(30);
  Clock::duration absent_period = std::chrono::seconds(10);  // between looks for a kind
  // How often a kind of which there are objects has to be found absent: an API server that starts
  // may not know its extensions yet.
  int absences = 4;
  // Of one watch; spread out up to twice that, so that not all end at once.
  std::chrono::seconds watch_time = std::chrono::seconds(300);
  Clock::duration shortest_watch = std::chrono::seconds(1);  // between two that end in good order
  size_t page_objects = 250;
};

class KindFollower {
 public:
  // All references outlive the follower.
  KindFollower(KindSpec spec, ApiClient& client, KindSink& sink, obs::Logger& log,
               const FollowOptions& options, std::uint64_t seed);

  // Until `stop`.
  Task<void> Run(StopToken stop);

 private:
  using Outcome = Result<void, ApiFailure>;

  Task<Clock::duration> Step(StopToken stop);
  Task<Outcome> List(StopToken stop);
  Task<Outcome> ListVersion(std::string_view version, StopToken stop);
  Task<Result<std::string, ApiFailure>> TakeListPage(std::string path, StopToken stop);
  Task<Outcome> Watch(StopToken stop);
  Outcome TakeEvents(WatchReader& reader);
  Outcome TakeEvent(const WatchEvent& event);
  Clock::duration Failed(const ApiFailure& failure);
  Clock::duration Backoff();
  void Works();
  // With the beginning of a query.
  std::string PathOf(std::string_view version) const;

  const KindSpec spec_;
  ApiClient& client_;
  KindSink& sink_;
  obs::Logger& log_;
  const FollowOptions options_;
  std::mt19937_64 random_;
  std::string version_;   // of the API that was listed
  std::string position_;  // the resourceVersion to go on from; empty: list first
  std::string next_position_;
  size_t page_objects_;
  int absences_ = 0;
  bool absent_ = false;
  std::string problem_;
  Clock::duration backoff_{};
  TimePoint failed_at_{};
};

}  // namespace aquifer::kube
