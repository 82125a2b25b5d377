#include "waypoint/filters/header_modifier.h"

namespace aquifer::waypoint {

bool ModifyRequest(const HeaderModifier& modifier, http::RequestHead& head) {
  for (const auto& [name, value] : modifier.set) {
    if (name == "host") {
      if (!http::IsAuthority(value)) return false;
      head.authority = value;
    } else if (!head.headers.Set(name, value)) {
      return false;
    }
  }
  for (const auto& [name, value] : modifier.add) {
    // A second host would be a smuggled request to whoever reads the other one.
    if (name == "host") return false;
    if (!head.headers.Add(name, value)) return false;
  }
  for (const std::string& name : modifier.remove) head.headers.Remove(name);
  return true;
}

bool ModifyResponse(const HeaderModifier& modifier, http::HeaderList& headers) {
  for (const auto& [name, value] : modifier.set) {
    if (!headers.Set(name, value)) return false;
  }
  for (const auto& [name, value] : modifier.add) {
    if (!headers.Add(name, value)) return false;
  }
  for (const std::string& name : modifier.remove) headers.Remove(name);
  return true;
}

}  // namespace aquifer::waypoint
