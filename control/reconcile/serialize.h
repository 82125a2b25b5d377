// Messages to bytes, the same bytes for the same content: maps are written in the order of their
// keys, so that a version computed from the bytes survives a restart.
#pragma once

#include <google/protobuf/message_lite.h>

#include <string>

#include "control/resources.h"

namespace aquifer::control {

std::string SerializeDeterministically(const google::protobuf::MessageLite& message);

// The message with the version of its bytes.
Resource MakeResource(const google::protobuf::MessageLite& message);

}  // namespace aquifer::control
