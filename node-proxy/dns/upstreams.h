// The name servers and search domains of a resolv.conf(5), read again when the file has changed.
// Looking costs one stat(2) every few seconds at most. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/file_stamp.h"
#include "core/rt/timer_queue.h"

namespace aquifer::node::dns {

struct ResolvConf {
  std::vector<Address> servers;
  std::vector<std::string> search;  // in lower case, without a dot at the end
};

// What cannot be used is left out, as every resolver does.
ResolvConf ParseResolvConf(std::string_view text);

class Upstreams {
 public:
  explicit Upstreams(std::string path = "/etc/resolv.conf") : path_(std::move(path)) {}
  // Of no file.
  explicit Upstreams(ResolvConf conf) : conf_(std::move(conf)), look_at_(TimePoint::max()) {}

  // What the file says; what it said last while it cannot be read.
  const ResolvConf& Current(TimePoint now);

 private:
  std::string path_;
  ResolvConf conf_;
  std::optional<FileStamp> stamp_;
  TimePoint look_at_{};
};

}  // namespace aquifer::node::dns
