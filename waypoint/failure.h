// What a client is told when a try at a backend failed. Pure, any thread.
#pragma once

#include "core/base/result.h"
#include "waypoint/local_reply.h"

namespace aquifer::waypoint {

// The backend was reached and then failed.
ReplyKind ReplyForFailure(const Error& error);
// There was no call to begin with.
ReplyKind ReplyForNoCall(const Error& error);

}  // namespace aquifer::waypoint
