#include "redirect/install_command.h"

#include <array>
#include <cstdio>
#include <span>
#include <string>

#include "redirect/cni_conf.h"

namespace aquifer::redirect {
namespace {

using app::Arguments;

constexpr std::array<app::Flag, 4> kInstallFlags = {kConfDir, kBinDir, kPluginConf, kPluginProgram};
constexpr std::array<app::Flag, 2> kUninstallFlags = {kConfDir, kBinDir};

void Say(const std::string& line) { std::fprintf(stdout, "%s\n", line.c_str()); }

// What is common to both: no words beside the flags, and both folders named, for each is somebody
// else's.
Decoded<CniInstallOptions> ReadFolders(const std::vector<std::string_view>& words,
                                       std::span<const app::Flag> flags) {
  AQ_TRY(const Arguments arguments, Arguments::Parse(words, flags));
  if (!arguments.plain().empty()) return Refusal{arguments.plain()[0], "is no flag here"};
  for (const app::Flag& needed : {kConfDir, kBinDir}) {
    if (!arguments.Has(needed.name)) return Refusal{std::string(needed.name), "is needed"};
  }
  return ReadInstallOptions(arguments);
}

}  // namespace

Decoded<CniInstallOptions> ReadInstallOptions(const Arguments& arguments) {
  CniInstallOptions options;
  options.conf_dir = arguments.Value(kConfDir.name, options.conf_dir);
  options.bin_dir = arguments.Value(kBinDir.name, options.bin_dir);
  options.program = arguments.Value(kPluginProgram.name);
  Decoded<OrderedJson> entry = MakePluginEntry(arguments.Value(kPluginConf.name));
  if (!entry) return Refusal{std::string(kPluginConf.name), entry.error().ToString()};
  options.entry = *std::move(entry);
  return options;
}

Decoded<PluginOptions> ReadPluginOptions(const Arguments& arguments) {
  PluginOptions options{.socket = arguments.Value(kPluginSocketFlag.name)};
  if (!arguments.Has(kInstallCni.name)) {
    for (const app::Flag& flag : kInstallFlags) {
      if (arguments.Has(flag.name))
        return Refusal{std::string(flag.name), "goes with " + std::string(kInstallCni.name)};
    }
    return options;
  }
  AQ_TRY(options.install, ReadInstallOptions(arguments));
  AQ_TRY(const PluginSettings settings, ReadPluginSettings(options.install->entry));
  if (options.socket.empty()) options.socket = settings.socket;
  return options;
}

int InstallCommand(const app::Program& program, const std::vector<std::string_view>& words) {
  const auto options = ReadFolders(words, kInstallFlags);
  if (!options) return program.Misused(options.error().ToString());
  // The program first: with an entry and no program no pod of the node would start.
  const Result<void, Refusal> copied = InstallProgram(*options);
  if (!copied) return program.Failed(copied.error().ToString());
  const Decoded<std::string> written = InstallEntry(*options);
  if (!written) return program.Failed(written.error().ToString());
  Say(written->empty() ? "the network configuration has the plugin already" : *written);
  return 0;
}

int UninstallCommand(const app::Program& program, const std::vector<std::string_view>& words) {
  const auto options = ReadFolders(words, kUninstallFlags);
  if (!options) return program.Misused(options.error().ToString());
  int status = 0;
  for (const Refusal& refusal : Uninstall(*options)) status = program.Failed(refusal.ToString());
  return status;
}

}  // namespace aquifer::redirect
