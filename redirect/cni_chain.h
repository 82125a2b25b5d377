// A node's network configuration with our plugin at the end of its chain, and without it again: the
// text of a file in, the text that it should have out (CNI specification 1.1, section 1). All that
// others wrote stays, keys in their order. Also which file of the folder a container runtime takes.
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "redirect/ordered_json.h"

namespace aquifer::redirect {

inline constexpr std::string_view kPluginType = "aquifer-cni";

// What our plugin's entry in a chain says: the settings of redirect/cni_conf.h, each of them, so
// that whoever reads the file sees what holds. `settings`, a JSON object or nothing, replaces
// defaults; another member than a setting is refused.
Decoded<OrderedJson> MakePluginEntry(std::string_view settings);

// The new text of a file; none when it is as it should be already.
using Edit = std::optional<std::string>;

// A list of plugins (.conflist) with `entry` at its end, or in the place of an older one of ours.
Decoded<Edit> WithPlugin(std::string_view conflist, const OrderedJson& entry);
// The same without ours.
Decoded<Edit> WithoutPlugin(std::string_view conflist);
// A list of one plugin's configuration (.conf, .json) and ours.
Decoded<std::string> WrapConf(std::string_view conf, const OrderedJson& entry);
// Whether our plugin is in the list; not in what cannot be read.
bool HasPlugin(std::string_view conflist);

bool IsConfName(std::string_view name);
bool IsListName(std::string_view name);
// The list of ours that stands for a configuration: it sorts just before it, so that runtimes take
// it instead, and the other one's file is left alone.
std::string WrapperOf(std::string_view conf_name);
bool IsWrapper(std::string_view name);
// The file that a runtime would take if we had not been here: the first by its bytes, as runtimes
// have it. Empty if there is none.
std::string FirstConf(std::vector<std::string> names);

}  // namespace aquifer::redirect
