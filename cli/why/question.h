// Who wants to talk to whom, as it is typed, and as it is found among the objects:
//   FROM  NAMESPACE/POD, sa/NAMESPACE/ACCOUNT, an IP address
//   TO    NAMESPACE/NAME:PORT, NAME.NAMESPACE:PORT, a host name or an IP address with its port;
//         NAME is a Service or, where there is none, a pod; pod/NAMESPACE/NAME:PORT is a pod
// A POD that is not there may be the name of what owns pods. Without a namespace it is `own`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/why/model.h"
#include "core/base/address.h"
#include "core/base/result.h"

namespace aquifer::cli {

struct AskedRequest {
  std::string method = "GET";
  std::string path = "/";
  std::string host;  // empty: the name of what is asked
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Party {
  enum class Kind : std::uint8_t { kNamed, kPod, kAccount, kAddress, kHost };
  Kind kind = Kind::kNamed;  // kNamed: a Service or a pod
  std::string name_space;
  std::string name;  // kHost: the host name
  Ip ip;             // kAddress
};

struct Question {
  Party from;
  Party to;
  std::uint16_t port = 0;
  std::optional<AskedRequest> request;  // nothing: a connection, whatever it carries
};

// The refusal's field is the word.
Decoded<Party> ReadFrom(std::string_view word, std::string_view own);
// The party and its port.
Decoded<std::pair<Party, std::uint16_t>> ReadTo(std::string_view word, std::string_view own);
// Method and path, as they stand on the command line; "NAME: VALUE" for each header.
Decoded<AskedRequest> ReadRequest(std::string_view method, std::string_view path,
                                  std::string_view host, const std::vector<std::string>& headers);

// Who asks.
struct Source {
  mesh::WorkloadRef workload;  // never null; of nobody known, one with nothing but an address
  const control::Pod* pod = nullptr;
  Ip ip;
  bool captured = false;
  std::string title;               // "pod shop/cart", "10.0.0.1, nobody that is known"
  std::vector<std::string> facts;  // what was assumed
};
Decoded<Source> FindSource(const Model& model, const Party& party);

// What is asked, by one of its addresses.
struct Target {
  mesh::ServiceRef service;        // null: a pod, or an address
  mesh::WorkloadRef workload;      // a pod's; null: a service, or an address
  std::vector<Address> addresses;  // to be dialled; more than one only of a headless service
  std::string title;               // "Service shop/reviews"
  std::string host;                // what a client would call it in a request
};
// `client`: whose namespace goes first where names are found more than once.
Decoded<Target> FindTarget(const Model& model, const Question& question,
                           const mesh::Workload& client);

}  // namespace aquifer::cli
