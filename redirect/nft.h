// nftables by libnftables, for the network namespace of the calling thread: a Nft opens its netlink
// socket there when it is made and must not outlive the visit. One thread.
#pragma once

#include <memory>
#include <string>

#include "core/base/result.h"

struct nft_ctx;

namespace aquifer::redirect {

class Nft {
 public:
  static Result<Nft, Refusal> Open();

  // Runs commands in the syntax of nft(8) as one transaction: all of them hold afterwards, or none.
  // What they print is the result.
  Result<std::string, Refusal> Run(const std::string& commands);

  // Leaves counters' values out of what is printed, so that two listings can be compared.
  void HideCounters();

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };

  explicit Nft(nft_ctx* context) : context_(context) {}

  std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace aquifer::redirect
