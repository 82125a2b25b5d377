// What a container runtime gives a plugin: the first line is CNI_ARGS, the rest standard input.
// Every command ends with an answer that a runtime can read, whatever the agent says.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "redirect/cni_plugin.h"

namespace {

using namespace aquifer::redirect;  // NOLINT: a fuzz target is one function
using aquifer::Decoded;
using aquifer::Refusal;

class AbsentAgent final : public PluginAgent {
 public:
  Decoded<PluginAnswer> Ask(const PluginSettings& settings, const PluginRequest& request) override {
    AQ_CHECK(settings.socket[0] == '/');
    AQ_CHECK(settings.timeout.count() > 0);
    AQ_CHECK(EncodePluginRequest(request).ok());
    return Refusal{settings.socket, "is not there"};
  }
};

void CheckAnswer(const PluginOutput& output) {
  AQ_CHECK(output.exit_status == 0 || output.exit_status == 1);
  if (output.exit_status == 0) return;
  const auto error = ReadOrderedJson(output.text, {.bytes = 64 << 20});
  AQ_CHECK(error.ok());
  AQ_CHECK(error->at("code").get<int>() > 0);
  AQ_CHECK(!error->at("msg").get<std::string>().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  const std::string_view input = aquifer::AsText({data, size});
  const size_t line = input.find('\n');
  PluginCall call{.container_id = "c1", .netns = "/run/netns/cni-1"};
  call.args = std::string(input.substr(0, line));
  if (line != std::string_view::npos) call.conf = std::string(input.substr(line + 1));
  for (const char* command : {"ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION", ""}) {
    AbsentAgent agent;
    call.command = command;
    const PluginOutput output = RunPlugin(call, agent);
    CheckAnswer(output);
    AQ_CHECK(call.command != "DEL" || output.exit_status == 0);
  }
  return 0;
}
