// Whether a message holds fields that this program's schema does not have. Where a field unknown to
// us may narrow what a rule matches, going on without it would widen the rule. Pure, any thread.
#pragma once

namespace google::protobuf {
class Message;
}

namespace aquifer::waypoint {

// Looks into nested messages too.
bool HasUnknownFields(const google::protobuf::Message& message);

}  // namespace aquifer::waypoint
