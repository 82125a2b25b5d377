// What the peer of an HTTP/2 connection may make us do for nothing: units that it spends with
// frames that carry nothing, and that come back with time. What goes with honest traffic is free:
// DATA earns the PING that measures its round trip and the small window updates that acknowledge
// it. Owned by an H2Session; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/rt/timer_queue.h"

namespace aquifer::http {

class H2Budget {
 public:
  H2Budget(std::uint32_t units, std::uint32_t refill_per_second);

  void Refill(TimePoint now);
  // When the peer was last heard.
  TimePoint now() const { return refilled_; }
  void Spend(std::uint32_t units);
  void GiveBack(std::uint32_t units);
  // Whatever is left: the peer has gone too far.
  void Empty() { overdrawn_ = true; }
  bool overdrawn() const { return overdrawn_; }

  // DATA with payload went either way.
  void OnPayload();
  void OnPing();
  void OnWindowUpdate(std::uint32_t increment);
  // A frame that goes against the rules, for which a RST_STREAM may be sent.
  void OnFault();
  void OnFaultAnswered();
  // Fields that are decoded only to keep the compression state: a few bytes on the wire can be
  // megabytes of them.
  void OnWastedField(std::size_t bytes);
  // A HEADERS frame begins. One that belongs to a stream is told by OnHeadHeard before the next
  // frame; the others, and what continues them, are unpacked for nothing.
  void OnHeaderBlock(std::size_t bytes);
  void OnHeadHeard();
  // HEADERS and CONTINUATION frames as the input has them, before it is worked off: the library
  // does not tell of the latter.
  void SeeHeaderBlock() { seen_.push_back(0); }
  void SeeContinuation(std::size_t bytes);
  // The bytes that were there have been worked off.
  void Settle();

 private:
  double units_;
  const double most_units_;
  const double refill_per_second_;
  TimePoint refilled_{};
  bool overdrawn_ = false;
  std::uint32_t free_pings_ = 0;
  std::uint32_t free_updates_ = 0;
  std::uint32_t faults_unanswered_ = 0;
  std::uint32_t silent_units_ = 0;  // of the header block that nobody has been told of yet
  bool head_heard_ = false;
  std::vector<std::uint32_t> seen_;  // units of what continues each block that has not begun yet
  std::size_t begun_ = 0;            // of seen_
  std::size_t wasted_field_bytes_ = 0;
};

}  // namespace aquifer::http
