#include "waypoint/path.h"

#include <algorithm>
#include <array>

namespace aquifer::waypoint {
namespace {

constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that the escape at `at` stands for, or -1.
int EscapedByte(std::string_view text, size_t at) {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  const int high = HexValue(text[at + 1]);
  const int low = HexValue(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

constexpr std::array<bool, 256> MakeSet(std::string_view characters, bool alphanumeric) {
  std::array<bool, 256> set{};
  for (const char c : characters) set[static_cast<unsigned char>(c)] = true;
  for (int c = 0; alphanumeric && c < 128; ++c) {
    set[c] = set[c] || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  return set;
}

// RFC 3986 section 2.3: an escape of these is another spelling of the same character.
constexpr std::array<bool, 256> kUnreserved = MakeSet("-._~", true);
// What may stand in a path as it is: unreserved, sub-delims, and what user agents send raw.
constexpr std::array<bool, 256> kRaw = MakeSet("-._~!$&'()*+,;=:@/[]", true);

void AppendEscaped(unsigned char byte, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

bool IsControl(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

// Escapes decided character by character; dots and slashes are settled afterwards, so that no way
// of writing a dot segment survives. False for a NUL and other controls.
bool SettleEscapes(std::string_view path, bool decode_slashes, std::string& out) {
  for (size_t i = 0; i < path.size(); ++i) {
    const auto byte = static_cast<unsigned char>(path[i]);
    if (IsControl(byte)) return false;
    if (byte == '\\') {
      out += '/';
      continue;
    }
    const int escaped = EscapedByte(path, i);
    if (escaped < 0) {
      // A percent sign that begins no escape stays, unless escapes right behind it could decode
      // into two digits and make it one: "/%%36%35" must not reach the application as "/%65".
      const bool stray = byte == '%' && path.substr(i + 1, 2).find('%') == std::string_view::npos;
      if (kRaw[byte] || stray) {
        out += path[i];
      } else {
        AppendEscaped(byte, out);
      }
      continue;
    }
    if (escaped == 0) return false;
    if (kUnreserved[escaped]) {
      out += static_cast<char>(escaped);
    } else if (decode_slashes && (escaped == '/' || escaped == '\\')) {
      out += '/';
    } else {
      out += path.substr(i, 3);
    }
    i += 2;
  }
  return true;
}

// RFC 3986 section 5.2.4 on a path that starts with '/'. Empty segments are kept.
std::string RemoveDotSegments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  size_t at = 0;
  while (at < path.size()) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = path.substr(at + 1, end - at - 1);
    const bool last = end == path.size();
    if (segment == ".") {
      if (last) out += '/';
    } else if (segment == "..") {
      const size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      if (last) out += '/';
    } else {
      out += path.substr(at, end - at);
    }
    at = end;
  }
  return out;
}

std::string MergeSlashes(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (const char c : path) {
    if (c != '/' || !out.ends_with('/')) out += c;
  }
  return out;
}

bool IsPlain(std::string_view path) {
  if (!path.starts_with('/')) return false;
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (!kRaw[static_cast<unsigned char>(c)]) return false;
    if (c == '/' && i + 1 < path.size() && (path[i + 1] == '.' || path[i + 1] == '/')) return false;
  }
  return true;
}

// Upper-cases the digits of the escape that begins at `at`, as far as it is one.
void RaiseDigits(std::string& text, size_t at) {
  for (size_t i = at + 1; i < text.size() && i <= at + 2 && HexValue(text[i]) >= 0; ++i) {
    if (text[i] >= 'a') text[i] = static_cast<char>(text[i] - 'a' + 'A');
  }
}

bool HasControl(std::string_view text) {
  for (const char c : text) {
    if (IsControl(static_cast<unsigned char>(c))) return true;
  }
  return false;
}

}  // namespace

SplitTarget Split(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}, false};
  return {target.substr(0, mark), target.substr(mark + 1), true};
}

std::optional<std::string> NormalizePath(std::string_view path, PathNormalization how) {
  if (how == PathNormalization::kNone) {
    if (HasControl(path)) return std::nullopt;
    return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  }
  if (IsPlain(path)) return std::string(path);  // nearly every request
  std::string settled;
  settled.reserve(path.size() + 1);
  if (!path.starts_with('/') && !path.starts_with('\\')) settled += '/';
  const bool decode = how == PathNormalization::kDecodeAndMergeSlashes;
  if (!SettleEscapes(path, decode, settled)) return std::nullopt;
  std::string normal = RemoveDotSegments(settled);
  return how == PathNormalization::kBase ? normal : MergeSlashes(normal);
}

std::string UpperCaseEscapes(std::string_view text) {
  std::string out(text);
  for (size_t at = out.find('%'); at != std::string::npos; at = out.find('%', at + 1)) {
    RaiseDigits(out, at);
  }
  return out;
}

std::string UpperCaseEscapesOfPattern(std::string_view pattern) {
  std::string out(pattern);
  size_t bracket = std::string::npos;  // where the class began that we are in
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '\\') {
      ++i;  // what it makes literal begins and ends nothing
    } else if (bracket == std::string::npos && out[i] == '[') {
      bracket = i + (out.compare(i + 1, 1, "^") == 0 ? 1 : 0);
    } else if (bracket != std::string::npos && out[i] == ']' && i > bracket + 1) {
      bracket = std::string::npos;
    } else if (bracket == std::string::npos && out[i] == '%') {
      RaiseDigits(out, i);
    }
  }
  return out;
}

std::optional<std::string> NormalizeTarget(std::string_view target, PathNormalization how) {
  const SplitTarget split = Split(target);
  if (HasControl(split.query)) return std::nullopt;
  std::optional<std::string> path = NormalizePath(split.path, how);
  if (path && split.has_query) {
    *path += '?';
    *path += split.query;
  }
  return path;
}

}  // namespace aquifer::waypoint
