#include "redirect/nft.h"

#include <nftables/libnftables.h>

#include <string_view>

namespace aquifer::redirect {
namespace {

// The library repeats the offending line and draws a marker below; the first line says it all.
std::string FirstLine(const char* text) {
  const std::string_view all = text == nullptr ? "" : text;
  const std::string_view line = all.substr(0, all.find('\n'));
  return line.empty() ? "refused without a reason" : std::string(line);
}

}  // namespace

void Nft::Free::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Result<Nft, Refusal> Nft::Open() {
  nft_ctx* const context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) return Refusal{"nftables", "no netlink socket"};
  Nft nft(context);
  nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_NUMERIC_ALL);
  if (nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0) {
    return Refusal{"nftables", "out of memory"};
  }
  return nft;
}

void Nft::HideCounters() {
  nft_ctx_output_set_flags(context_.get(), NFT_CTX_OUTPUT_NUMERIC_ALL | NFT_CTX_OUTPUT_STATELESS);
}

Result<std::string, Refusal> Nft::Run(const std::string& commands) {
  if (nft_run_cmd_from_buffer(context_.get(), commands.c_str()) != 0) {
    return Refusal{"nftables", FirstLine(nft_ctx_get_error_buffer(context_.get()))};
  }
  const char* const output = nft_ctx_get_output_buffer(context_.get());
  return std::string(output == nullptr ? "" : output);
}

}  // namespace aquifer::redirect
