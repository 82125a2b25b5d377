// What becomes of a request before any backend is asked: whether it may be forwarded at all, what
// policies say, which rule it falls under, what the rule's filters make of its head. Waits for
// nothing. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/http/message.h"
#include "waypoint/connection_context.h"
#include "waypoint/deadlines.h"
#include "waypoint/local_reply.h"
#include "waypoint/request_record.h"
#include "waypoint/router.h"

namespace aquifer::waypoint {

struct AdmissionInput {
  // All of them outlive the call; `rules` the result, too, which points into them.
  const ExchangeParts& parts;
  const ConnectionContext& connection;
  const Rules& rules;
  bool asks_for_upgrade = false;
  bool keep_judged = false;  // also of a request that is no upgrade
};

// A copy of the request that another service gets as well.
struct MirrorCopy {
  ServiceRef service;
  http::RequestHead head;
};

struct Admitted {
  std::optional<LocalReply> reply;  // ends the request
  RouteAction action;
  Deadlines deadlines;
  bool upgrade = false;      // to WebSocket
  http::RequestHead judged;  // of an upgrade (or keep_judged), as policies saw it
  Ip remote_ip;
  std::vector<MirrorCopy> mirrors;
};

// `head` as the client sent it becomes what the backend gets. Writes down in `record` what it finds
// out.
Admitted Admit(const AdmissionInput& input, http::RequestHead& head, RequestRecord& record);

// What policies of `rules` say to a head that was admitted; the details of the denial, if it is
// one.
std::optional<std::string> DenyRequest(const Rules& rules, const ConnectionContext& connection,
                                       const http::RequestHead& head, const Ip& remote_ip);

}  // namespace aquifer::waypoint
