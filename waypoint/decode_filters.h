// mesh/proto/waypoint.proto to waypoint/config_model.h: the filters of a rule or a backend. Pure,
// any thread.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include "core/base/result.h"
#include "waypoint/config_model.h"

namespace aquifer::mesh::v1 {
class HttpRouteFilter;
class ServiceRef;
}  // namespace aquifer::mesh::v1

namespace aquifer::waypoint {

enum class FilterPlace { kRule, kBackend };

// A filter that cannot be applied, in general or at that place, sets Filters::invalid.
Filters DecodeFilters(const google::protobuf::RepeatedPtrField<mesh::v1::HttpRouteFilter>& messages,
                      FilterPlace place, const std::string& field);

enum class PortRequired { kYes, kNo };
Decoded<ServiceRef> DecodeServiceRef(const mesh::v1::ServiceRef& message, PortRequired required,
                                     const std::string& field);

}  // namespace aquifer::waypoint
