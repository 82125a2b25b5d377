#include "redirect/hand_over.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include "core/base/last_error.h"

namespace aquifer::redirect {

// A group keeps its members in the order in which they joined, and the program's result is a place
// among them; the kernel falls back to its hash when there is nobody at that place.
Status PassBy(int listener, unsigned ours) {
  sock_filter answer{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = ours};
  const sock_fprog program{.len = 1, .filter = &answer};
  if (::setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0)
    return {};
  return LastError();
}

void TakePart(int listener) {
  const int none = 0;
  // Fails where there is no program, which is what is wanted.
  static_cast<void>(
      ::setsockopt(listener, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof none));
}

}  // namespace aquifer::redirect
