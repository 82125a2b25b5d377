// main() of both proxies: the words of the command line, then settings, log and signals, then the
// proxy itself until it has ended.
#pragma once

#include <string>
#include <string_view>

#include "core/app/process.h"
#include "core/app/program.h"
#include "proxy/settings.h"

namespace aquifer::proxy {

template <class Config>
using Load = Decoded<Loaded<Config>> (*)(const app::Environment& environment);

template <class Proxy, class Config>
Task<Result<void, Refusal>> Serve(const Config& config, app::Process& process, StopToken stop) {
  Proxy proxy(config, process.log(), process.registry());
  co_return co_await proxy.Run(stop);
}

template <class Proxy, class Config>
int Run(const app::Program& program, Load<Config> load) {
  const Decoded<Loaded<Config>> loaded = load(app::ReadEnvironment());
  if (!loaded) return program.Refused(loaded.error());
  const Config& config = loaded->config;
  app::Process process({.program = program.name,
                        .scope = "proxy",
                        .log_format = config.log_format,
                        .log_levels = config.log_levels,
                        .io_backend = config.io_backend});
  app::LogNotes(process.log(), loaded->notes);
  return process.Run([&](StopToken stop) { return Serve<Proxy>(config, process, stop); });
}

// Istio's charts start a proxy as "proxy", with words of their own behind it.
template <class Proxy, class Config>
int Main(const app::Program& program, Load<Config> load, int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "proxy";
  if (word == "proxy") return Run<Proxy>(program, load);
  if (const std::optional<int> answered = program.Answer(word)) return *answered;
  return program.Misused(std::string(word) + ": is no command");
}

}  // namespace aquifer::proxy
