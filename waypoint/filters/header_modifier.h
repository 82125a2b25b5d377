// RequestHeaderModifier and ResponseHeaderModifier of HTTPRoute. Pure, any thread.
#pragma once

#include "core/http/message.h"
#include "waypoint/config_model.h"

namespace aquifer::waypoint {

// Set replaces, add puts another line behind, remove takes out. "host" is the authority. False when
// the fields no longer fit into the message's limits; the message is then not to be used.
[[nodiscard]] bool ModifyRequest(const HeaderModifier& modifier, http::RequestHead& head);
[[nodiscard]] bool ModifyResponse(const HeaderModifier& modifier, http::HeaderList& headers);

}  // namespace aquifer::waypoint
