// The routes by which answers to a borrowed source address come back to the proxy: packets with
// mark 0x111/0xfff look into table 100, which says that every address is local. By rtnetlink, for
// the network namespace of the calling thread; IPv6 where the namespace has it.
#pragma once

#include "core/base/result.h"

namespace aquifer::redirect {

// Adds what is missing; what is there already stays.
Result<void, Refusal> AddPolicyRouting();
// Removes what is there.
Result<void, Refusal> RemovePolicyRouting();
// Refuses, naming it, what is missing in the kernel's own tables.
Result<void, Refusal> CheckPolicyRouting();

}  // namespace aquifer::redirect
