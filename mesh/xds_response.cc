#include "mesh/xds_response.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <limits>

namespace aquifer::mesh {

std::optional<SplitResponse> Split(std::string_view bytes) {
  using google::protobuf::internal::WireFormatLite;
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
