// PEM text (RFC 7468) as labelled blocks of DER, and back. It stands between every file or answer
// that brings certificates and the ASN.1 parser, so it is bounded in bytes and in blocks. Any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace aquifer::certs {

struct PemBlock {
  std::string label;  // "CERTIFICATE", "PRIVATE KEY", ...
  std::vector<std::uint8_t> der;
};

struct PemLimits {
  size_t max_bytes = 64 * 1024;
  size_t max_blocks = 16;
};

// All blocks in order. Text between blocks is skipped, as bundles carry comments; a block that does
// not end, is empty or is not base64 refuses the whole text. No block at all is an empty list.
Decoded<std::vector<PemBlock>> ParsePem(std::string_view text, const PemLimits& limits);

std::string MakePem(std::string_view label, Bytes der);

}  // namespace aquifer::certs
