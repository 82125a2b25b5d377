#include "redirect/install_command.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "redirect/plugin_protocol.h"
#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

constexpr std::array<app::Flag, 6> kFlags = {kConfDir,       kBinDir,     kPluginConf,
                                             kPluginProgram, kInstallCni, kPluginSocketFlag};

Decoded<PluginOptions> Read(const std::vector<std::string_view>& words) {
  const Decoded<app::Arguments> arguments = app::Arguments::Parse(words, kFlags);
  REQUIRE(arguments.ok());
  return ReadPluginOptions(*arguments);
}

std::string FieldRefused(const std::vector<std::string_view>& words) {
  const Decoded<PluginOptions> options = Read(words);
  return options ? "taken" : options.error().field;
}

}  // namespace

TEST_CASE("without flags for the plugin there is none") {
  const Decoded<PluginOptions> options = Read({});
  REQUIRE(options.ok());
  CHECK(options->socket.empty());
  CHECK_FALSE(options->install.has_value());
}

TEST_CASE("an agent that installs the plugin listens where the plugin asks") {
  const Decoded<PluginOptions> usual = Read({"--install-cni"});
  REQUIRE(usual.ok());
  CHECK(usual->socket == kPluginSocket);
  REQUIRE(usual->install.has_value());
  CHECK(usual->install->conf_dir == "/etc/cni/net.d");
  CHECK(usual->install->bin_dir == "/opt/cni/bin");
  const Decoded<PluginOptions> other =
      Read({"--install-cni", "--plugin-conf", R"({"socket":"/run/x.sock"})", "--conf-dir", "/c"});
  REQUIRE(other.ok());
  CHECK(other->socket == "/run/x.sock");
  CHECK(other->install->conf_dir == "/c");
  const Decoded<PluginOptions> apart = Read({"--install-cni", "--plugin-socket", "/host/x.sock"});
  REQUIRE(apart.ok());
  CHECK(apart->socket == "/host/x.sock");
}

TEST_CASE("flags of the installation that would do nothing, and settings that are none, are told") {
  CHECK(FieldRefused({"--plugin-socket", "/run/x.sock"}) == "taken");
  CHECK(FieldRefused({"--conf-dir", "/c"}) == "--conf-dir");
  CHECK(FieldRefused({"--plugin-conf", "{}"}) == "--plugin-conf");
  CHECK(FieldRefused({"--install-cni", "--plugin-conf", "x"}) == "--plugin-conf");
  CHECK(FieldRefused({"--install-cni", "--plugin-conf", R"({"failclosed":true})"}) ==
        "--plugin-conf");
}

}  // namespace aquifer::redirect
