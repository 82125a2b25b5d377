// AQ_CHECK: what can only be false by our own mistake. It prints where and what, and aborts: a
// proxy that no longer knows its own state must not pass bytes. Never for anything a peer, the
// network or a file can cause (those are Results, core/base/result.h). The names carry a prefix
// because Abseil and Catch2 own the short ones.
#pragma once

namespace aquifer {

// Prints file, line and condition to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace aquifer

#define AQ_CHECK(condition)                            \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::aquifer::CheckFailed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define AQ_DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define AQ_DCHECK(condition) AQ_CHECK(condition)
#endif
