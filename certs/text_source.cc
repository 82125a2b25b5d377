#include "certs/text_source.h"

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "certs/file.h"

namespace aquifer::certs {
namespace {

constexpr size_t kMaxRootsBytes = 1024 * 1024;
constexpr size_t kMaxTokenBytes = 16 * 1024;

// Where distributions keep the roots they ship.
constexpr std::array<const char*, 4> kSystemRoots = {"/etc/ssl/certs/ca-certificates.crt",
                                                     "/etc/pki/tls/certs/ca-bundle.crt",
                                                     "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

Result<std::string> ReadSystemRoots() {
  for (const char* path : kSystemRoots) {
    auto content = ReadSmallFile(path, kMaxRootsBytes);
    if (content || content.error().reason != Reason::kNotFound) return content;
  }
  return Error{Reason::kNotFound};
}

Result<std::string> ReadToken(const std::string& path) {
  auto content = ReadSmallFile(path, kMaxTokenBytes);
  if (!content && content.error().reason == Reason::kNotFound) return std::string();
  if (!content) return content.error();
  return std::string(absl::StripAsciiWhitespace(*content));
}

}  // namespace

TextSource RootsFrom(std::string setting) {
  if (setting == "SYSTEM") return &ReadSystemRoots;
  if (setting.find("-----BEGIN ") != std::string::npos) {
    return [text = std::move(setting)]() -> Result<std::string> { return text; };
  }
  return [path = std::move(setting)] { return ReadSmallFile(path, kMaxRootsBytes); };
}

TextSource TokenFrom(std::string setting) {
  if (setting.find('/') != std::string::npos) {
    return [path = std::move(setting)] { return ReadToken(path); };
  }
  std::string token(absl::StripAsciiWhitespace(setting));
  return [token = std::move(token)]() -> Result<std::string> { return token; };
}

}  // namespace aquifer::certs
