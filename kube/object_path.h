// Where the API server has the objects of a kind, and one of them. Names stand in it as they are;
// whoever has them from elsewhere has checked their spelling. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace aquifer::kube {

// As objects say it: "apps/v1", and "v1" for the core group, which is "".
std::string ApiVersion(std::string_view group, std::string_view version);

// "/apis/apps/v1/namespaces/edge/deployments". Without a namespace those of all namespaces, or of a
// kind that has none.
std::string CollectionPath(std::string_view api_version, std::string_view plural,
                           std::string_view namespace_name = "");
std::string ObjectPath(std::string_view api_version, std::string_view plural,
                       std::string_view namespace_name, std::string_view name);

}  // namespace aquifer::kube
