#include "hbone/baggage.h"

#include <algorithm>
#include <array>

#include "core/http/header.h"

namespace aquifer::hbone {
namespace {

constexpr std::array<std::string_view, 4> kWorkloadTypes = {"deployment", "cronjob", "pod", "job"};
constexpr std::size_t kMaxMembers = 64;  // W3C Baggage 3.3.2

struct Key {
  std::string_view name;
  std::string Baggage::* member;
};
constexpr std::array<Key, 6> kKeys = {{{"k8s.cluster.name", &Baggage::cluster},
                                       {"k8s.namespace.name", &Baggage::ns},
                                       {"service.name", &Baggage::service_name},
                                       {"service.version", &Baggage::service_version},
                                       {"cloud.region", &Baggage::region},
                                       {"cloud.availability_zone", &Baggage::zone}}};

bool IsPlain(char c) {
  return c > ' ' && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\' && c != '%' &&
         c != '=';
}

void Append(std::string& out, std::string_view key, std::string_view value) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  if (value.empty()) return;
  if (!out.empty()) out += ',';
  out += key;
  out += '=';
  for (const char c : value) {
    if (IsPlain(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

void Take(Baggage& baggage, std::string_view key, std::string_view value) {
  for (const Key& known : kKeys) {
    if (key == known.name) baggage.*known.member = PercentDecode(value);
  }
  constexpr std::string_view kPrefix = "k8s.";
  constexpr std::string_view kSuffix = ".name";
  if (!key.starts_with(kPrefix) || !key.ends_with(kSuffix)) return;
  const std::string_view type =
      key.substr(kPrefix.size(), key.size() - kPrefix.size() - kSuffix.size());
  if (std::find(kWorkloadTypes.begin(), kWorkloadTypes.end(), type) == kWorkloadTypes.end()) return;
  baggage.workload_type = type;
  baggage.workload_name = PercentDecode(value);
}

}  // namespace

std::string Encode(const Baggage& baggage) {
  std::string out;
  Append(out, "k8s.cluster.name", baggage.cluster);
  Append(out, "k8s.namespace.name", baggage.ns);
  Append(out,
         "k8s." +
             (baggage.workload_type.empty() ? std::string("deployment") : baggage.workload_type) +
             ".name",
         baggage.workload_name);
  Append(out, "service.name", baggage.service_name);
  Append(out, "service.version", baggage.service_version);
  Append(out, "cloud.region", baggage.region);
  Append(out, "cloud.availability_zone", baggage.zone);
  return out;
}

Baggage ParseBaggage(std::string_view value) {
  Baggage baggage;
  for (std::size_t members = 0; !value.empty() && members < kMaxMembers; ++members) {
    const std::size_t end = std::min(value.find(','), value.size());
    std::string_view member = value.substr(0, end);
    value.remove_prefix(std::min(end + 1, value.size()));
    member = http::TrimBlanks(member.substr(0, member.find(';')));
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos) continue;
    Take(baggage, http::TrimBlanks(member.substr(0, equals)),
         http::TrimBlanks(member.substr(equals + 1)));
  }
  return baggage;
}

}  // namespace aquifer::hbone
