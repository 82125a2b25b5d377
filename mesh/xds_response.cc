#include "mesh/xds_response.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <limits>
#include <string>

namespace aquifer::mesh {
namespace {

using google::protobuf::internal::WireFormatLite;

// Calls `take` with the number and the bytes of each field. False where the parser is to look
// itself: fields without a length, large numbers, what is cut off, and whatever `take` says.
template <class F>
bool WalkFields(std::string_view bytes, F take) {
  constexpr unsigned kWireTypeBits = 3;
  constexpr unsigned kMostShift = 21;  // of a size in at most four bytes
  while (!bytes.empty()) {
    const auto tag = static_cast<std::uint8_t>(bytes.front());
    if (tag >= 0x80 || (tag & 7U) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) return false;
    bytes.remove_prefix(1);
    std::size_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (bytes.empty() || shift > kMostShift) return false;
      const auto byte = static_cast<std::uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      size |= static_cast<std::size_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) break;
    }
    if (size > bytes.size() || !take(tag >> kWireTypeBits, bytes.substr(0, size))) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

// The parser judges what is not ASCII.
bool TakeText(std::string_view bytes, std::string_view& into) {
  unsigned seen = 0;
  for (const char c : bytes) seen |= static_cast<unsigned char>(c);
  into = bytes;
  return seen < 0x80;
}

bool TakeAny(std::string_view bytes, ResourceView& view) {
  return WalkFields(bytes, [&view](int field, std::string_view part) {
    using google::protobuf::Any;
    if (field == Any::kTypeUrlFieldNumber) return TakeText(part, view.type_url);
    if (field != Any::kValueFieldNumber) return false;
    view.value = part;
    return true;
  });
}

}  // namespace

std::optional<std::string_view> OnlyField(std::string_view message, int number) {
  std::optional<std::string_view> only;
  const bool usual = WalkFields(message, [&only, number](int field, std::string_view part) {
    if (field != number || only) return false;
    only = part;
    return true;
  });
  return usual ? only : std::nullopt;
}

ResourceView ViewOf(const envoy::service::discovery::v3::Resource& resource) {
  ResourceView view{.name = resource.name(),
                    .version = resource.version(),
                    .aliases = {},
                    .type_url = resource.resource().type_url(),
                    .value = resource.resource().value()};
  view.aliases.assign(resource.aliases().begin(), resource.aliases().end());
  return view;
}

const ResourceView* ResourceReader::Read(std::string_view bytes) {
  using envoy::service::discovery::v3::Resource;
  view_ = ResourceView();
  const bool usual = WalkFields(bytes, [this](int field, std::string_view part) {
    switch (field) {
      case Resource::kVersionFieldNumber:
        return TakeText(part, view_.version);
      case Resource::kNameFieldNumber:
        return TakeText(part, view_.name);
      case Resource::kAliasesFieldNumber:
        return TakeText(part, view_.aliases.emplace_back());
      case Resource::kResourceFieldNumber:
        return TakeAny(part, view_);
      default:
        return false;
    }
  });
  if (usual) return &view_;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !whole_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return nullptr;
  view_ = ViewOf(whole_);
  return &view_;
}

std::optional<SplitResponse> Split(std::string_view bytes) {
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;
  constexpr auto kResource = WireFormatLite::MakeTag(Response::kResourcesFieldNumber,
                                                     WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return std::nullopt;
  SplitResponse split;
  std::string rest;
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  google::protobuf::io::CodedInputStream input(data, static_cast<int>(bytes.size()));
  while (true) {
    const auto start = static_cast<std::size_t>(input.CurrentPosition());
    const std::uint32_t tag = input.ReadTag();
    if (tag == 0) break;
    if (tag == kResource) {
      std::uint32_t size = 0;
      if (!input.ReadVarint32(&size)) return std::nullopt;
      const auto at = static_cast<std::size_t>(input.CurrentPosition());
      if (size > bytes.size() - at || !input.Skip(static_cast<int>(size))) return std::nullopt;
      split.resources.push_back(bytes.substr(at, size));
      continue;
    }
    if (!WireFormatLite::SkipField(&input, tag)) return std::nullopt;
    rest.append(bytes.substr(start, static_cast<std::size_t>(input.CurrentPosition()) - start));
  }
  // A tag of zero, or half of one, is no end.
  if (!input.ConsumedEntireMessage() ||
      static_cast<std::size_t>(input.CurrentPosition()) != bytes.size() ||
      !split.whole.ParseFromString(rest))
    return std::nullopt;
  return split;
}

}  // namespace aquifer::mesh
