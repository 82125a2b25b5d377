// "aquifer-cni install" and "uninstall", and the flags that they share with the agent. For main().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/arguments.h"
#include "core/app/program.h"
#include "core/base/result.h"
#include "redirect/cni_install.h"

namespace aquifer::redirect {

inline constexpr app::Flag kConfDir = {"--conf-dir", "DIR"};
inline constexpr app::Flag kBinDir = {"--bin-dir", "DIR"};
inline constexpr app::Flag kPluginConf = {"--plugin-conf", "JSON"};
inline constexpr app::Flag kPluginProgram = {"--plugin-program", "FILE"};
inline constexpr app::Flag kInstallCni = {"--install-cni", ""};
inline constexpr app::Flag kPluginSocketFlag = {"--plugin-socket", "PATH"};

// Of flags that were given; the refusal's field is one.
Decoded<CniInstallOptions> ReadInstallOptions(const app::Arguments& arguments);

// What the agent's flags say about the plugin.
struct PluginOptions {
  std::string socket;  // none if empty
  std::optional<CniInstallOptions> install;
};

Decoded<PluginOptions> ReadPluginOptions(const app::Arguments& arguments);

int InstallCommand(const app::Program& program, const std::vector<std::string_view>& words);
int UninstallCommand(const app::Program& program, const std::vector<std::string_view>& words);

}  // namespace aquifer::redirect
