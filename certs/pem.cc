#include "certs/pem.h"

#include <openssl/base64.h>

#include "absl/strings/str_cat.h"

namespace aquifer::certs {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr size_t kMaxLabelBytes = 64;
constexpr size_t kLineBytes = 64;  // RFC 7468 section 2

std::string FieldOf(size_t index) { return absl::StrCat("pem block ", index); }

// Only the line breaks and blanks that RFC 7468 lets a reader skip; anything else stays in and
// makes the base64 decoder refuse, RFC 1421 headers of encrypted keys among them.
std::string WithoutBlanks(std::string_view body) {
  std::string packed;
  packed.reserve(body.size());
  for (const char c : body) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') packed.push_back(c);
  }
  return packed;
}

Decoded<std::vector<std::uint8_t>> DecodeBody(std::string_view body, size_t index) {
  const std::string packed = WithoutBlanks(body);
  std::vector<std::uint8_t> der(packed.size() / 4 * 3 + 3);
  size_t length = 0;
  const Bytes input = AsBytes(packed);
  if (packed.empty()) return Refusal{FieldOf(index), "is empty"};
  if (!EVP_DecodeBase64(der.data(), &length, der.size(), input.data(), input.size())) {
    return Refusal{FieldOf(index), "is not base64"};
  }
  der.resize(length);
  return der;
}

}  // namespace

Decoded<std::vector<PemBlock>> ParsePem(std::string_view text, const PemLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return Refusal{"pem", absl::StrCat("longer than ", limits.max_bytes, " bytes")};
  }
  std::vector<PemBlock> blocks;
  while (true) {
    const size_t begin = text.find(kBegin);
    if (begin == std::string_view::npos) return blocks;
    const size_t index = blocks.size();
    if (index == limits.max_blocks) {
      return Refusal{"pem", absl::StrCat("more than ", limits.max_blocks, " blocks")};
    }
    text.remove_prefix(begin + kBegin.size());
    const size_t label_length = text.find(kDashes);
    if (label_length == std::string_view::npos || label_length > kMaxLabelBytes) {
      return Refusal{FieldOf(index), "has no label"};
    }
    const std::string label(text.substr(0, label_length));
    text.remove_prefix(label_length + kDashes.size());
    const std::string tail = absl::StrCat(kEnd, label, kDashes);
    const size_t end = text.find(tail);
    if (end == std::string_view::npos) return Refusal{FieldOf(index), "does not end"};
    AQ_TRY(std::vector<std::uint8_t> der, DecodeBody(text.substr(0, end), index));
    blocks.push_back({label, std::move(der)});
    text.remove_prefix(end + tail.size());
  }
}

std::string MakePem(std::string_view label, Bytes der) {
  std::string base64(der.size() / 3 * 4 + 5, '\0');
  base64.resize(
      EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(base64.data()), der.data(), der.size()));
  std::string pem = absl::StrCat(kBegin, label, kDashes, "\n");
  for (size_t at = 0; at < base64.size(); at += kLineBytes) {
    absl::StrAppend(&pem, std::string_view(base64).substr(at, kLineBytes), "\n");
  }
  absl::StrAppend(&pem, kEnd, label, kDashes, "\n");
  return pem;
}

}  // namespace aquifer::certs
