// What the kernel's connection tracking is told in a captured pod's network namespace. A captured
// connection lives by its entry: without it the next packet is no longer redirected, or no longer
// turned back, and both ends wait for ever. The kernel's defaults forget connections of which one
// direction has ended, and take packets out that only look wrong. For the network namespace of the
// calling thread.
#pragma once

#include <optional>

namespace aquifer::redirect {

// A value that somebody else chose and that is as good or better stays. Where the kernel does not
// let us write a setting, capture goes on without.
void SetTracking();
// Back to the kernel's own values, where it is still ours that is set.
void RestoreTracking();

// While it lives no connection comes to be tracked in its middle: its packets pass as they are. In
// one network namespace from its making to its end.
class OnlyFromTheStart {
 public:
  OnlyFromTheStart();
  OnlyFromTheStart(const OnlyFromTheStart&) = delete;
  OnlyFromTheStart& operator=(const OnlyFromTheStart&) = delete;
  ~OnlyFromTheStart();

 private:
  const std::optional<int> before_;
};

}  // namespace aquifer::redirect
