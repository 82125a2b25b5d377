#include "kube/object_path.h"

namespace aquifer::kube {

std::string ApiVersion(std::string_view group, std::string_view version) {
  std::string text(group);
  if (!group.empty()) text += '/';
  return text.append(version);
}

std::string CollectionPath(std::string_view api_version, std::string_view plural,
                           std::string_view namespace_name) {
  const bool core = api_version.find('/') == std::string_view::npos;
  std::string path = core ? "/api/" : "/apis/";
  path.append(api_version);
  if (!namespace_name.empty()) path.append("/namespaces/").append(namespace_name);
  return path.append("/").append(plural);
}

std::string ObjectPath(std::string_view api_version, std::string_view plural,
                       std::string_view namespace_name, std::string_view name) {
  return CollectionPath(api_version, plural, namespace_name).append("/").append(name);
}

}  // namespace aquifer::kube
