#include "control/reconcile/serialize.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "core/base/check.h"

namespace aquifer::control {

std::string SerializeDeterministically(const google::protobuf::MessageLite& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    AQ_CHECK(message.SerializeToCodedStream(&coded));
  }
  return bytes;
}

Resource MakeResource(const google::protobuf::MessageLite& message) {
  Resource resource;
  resource.bytes = SerializeDeterministically(message);
  resource.version = ContentVersion(resource.bytes);
  return resource;
}

}  // namespace aquifer::control
