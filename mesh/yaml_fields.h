// Reading the maps of a local configuration strictly: every key is asked for or it is an error,
// every value has the type it must have, and the first thing wrong is kept with its path. Private
// to mesh/file_source.cc. The YAML library may throw; its caller catches.
#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "mesh/fields.h"
#include "mesh/workload.h"

namespace aquifer::mesh {

struct YamlErrors {
  void Add(std::string field, std::string why) {
    if (!first) first = Refusal{std::move(field), std::move(why)};
  }
  // Aliases let a small text stand for a huge tree: what is visited is bounded, not only what is
  // read.
  bool Take(const std::string& path, std::size_t nodes) {
    if (nodes > left) Add(path, "has more than four million values, aliases counted each time");
    left -= std::min(nodes, left);
    return left > 0;
  }
  std::optional<Refusal> first;
  std::size_t left = 4'000'000;
};

class YamlList;

class YamlMap {
 public:
  YamlMap(const YAML::Node& node, std::string path, YamlErrors& errors)
      : node_(node), path_(std::move(path)), errors_(errors) {
    if (!node_.IsMap()) {
      errors_.Add(path_, "is not a map");
      return;
    }
    if (!errors_.Take(path_, node_.size() + 1)) return;
    std::set<std::string> seen;
    for (const auto& each : node_) {
      const std::string key = each.first.as<std::string>();
      if (!seen.insert(key).second) Refuse(key, "is there twice");
    }
  }

  bool Has(const std::string& key) const {
    return node_.IsMap() && node_[key] && !node_[key].IsNull();
  }
  void Refuse(const std::string& key, std::string why) const {
    errors_.Add(Path(key), std::move(why));
  }
  void Ignore(const std::string& key) const { asked_.insert(key); }
  void Ignore() const {
    for (const auto& each : node_) asked_.insert(each.first.as<std::string>());
  }

  std::string Text(const std::string& key, std::string missing = {}) const {
    asked_.insert(key);
    if (!Has(key)) return missing;
    if (!node_[key].IsScalar()) {
      Refuse(key, "is not a text");
      return missing;
    }
    const Decoded<std::string> text = Name("", node_[key].as<std::string>());
    if (!text.ok()) Refuse(key, text.error().why);
    return text.ok() ? *text : missing;
  }
  std::string Required(const std::string& key) const {
    std::string text = Text(key);
    if (text.empty()) Refuse(key, "is missing");
    return text;
  }
  bool Bool(const std::string& key, bool missing) const {
    const std::string text = Text(key);
    if (text.empty()) return missing;
    if (text != "true" && text != "false") Refuse(key, "is neither true nor false");
    return text == "true";
  }
  std::uint32_t Number(const std::string& key, std::uint32_t missing) const {
    const std::string text = Text(key);
    if (text.empty()) return missing;
    std::uint32_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || end != text.data() + text.size()) Refuse(key, "is not a number");
    return number;
  }
  std::uint16_t Port(const std::string& key) const {
    const std::optional<std::uint16_t> port = ParsePort(Text(key));
    if (!port) Refuse(key, "is not a port");
    return port.value_or(0);
  }
  template <class T>
  T ChoiceOf(const std::string& key, const std::string& text,
             std::initializer_list<std::pair<const char*, T>> choices, T missing) const {
    for (const auto& [name, value] : choices) {
      if (text == name) return value;
    }
    Refuse(key, "has no such choice: " + text.substr(0, 100));
    return missing;
  }
  template <class T>
  T Choice(const std::string& key, std::initializer_list<std::pair<const char*, T>> choices,
           T missing) const {
    const std::string text = Text(key);
    return text.empty() ? missing : ChoiceOf<T>(key, text, choices, missing);
  }
  void EachText(const std::string& key,
                const std::function<void(const std::string&)>& visit) const {
    for (const YAML::Node& item : Sequence(key)) {
      if (item.IsScalar())
        visit(item.as<std::string>());
      else
        Refuse(key, "holds what is not a text");
    }
  }
  // Where an absent value means something wider than an empty one.
  void RefuseNulls() const {
    if (!node_.IsMap()) return;
    for (const auto& each : node_) {
      if (each.second.IsNull()) Refuse(each.first.as<std::string>(), "is empty");
    }
  }
  // Items that are either a text or a map.
  void EachTextOrItem(const std::string& key, const std::function<void(const std::string&)>& text,
                      const std::function<void(const YamlMap&)>& map) const {
    std::size_t index = 0;
    for (const YAML::Node& item : Sequence(key)) {
      const std::string path = Path(key) + "[" + std::to_string(index++) + "]";
      if (item.IsScalar())
        text(item.as<std::string>());
      else
        map(YamlMap(item, path, errors_));
    }
  }
  // Items that are a choice with a value, as a tag (!Exact text) or as a map of one (Exact: text).
  // The value is empty for null and [].
  void EachVariant(
      const std::string& key,
      const std::function<void(const std::string&, std::optional<std::string>)>& visit) const {
    for (const YAML::Node& item : Sequence(key)) {
      std::string variant = item.Tag().starts_with("!") ? item.Tag().substr(1) : std::string();
      YAML::Node value = item;
      if (variant.empty() && item.IsMap() && item.size() == 1) {
        variant = item.begin()->first.as<std::string>();
        value.reset(item.begin()->second);
      }
      const bool nothing = value.IsNull() || (value.IsSequence() && value.size() == 0);
      if (variant.empty() || (!nothing && !value.IsScalar())) {
        Refuse(key, "holds what is not one choice with its value");
      } else {
        visit(variant,
              nothing ? std::nullopt : std::optional<std::string>(value.as<std::string>()));
      }
    }
  }
  std::vector<std::string> Texts(const std::string& key) const {
    std::vector<std::string> texts;
    EachText(key, [&texts](const std::string& text) { texts.push_back(text); });
    return texts;
  }
  std::vector<Ip> Ips(const std::string& key) const {
    std::vector<Ip> ips;
    EachText(key, [&](const std::string& text) {
      const std::optional<Ip> ip = Ip::Parse(text);
      if (ip)
        ips.push_back(*ip);
      else
        Refuse(key, "is not an address: " + text.substr(0, 100));
    });
    return ips;
  }
  // {80: 8080}: service port to target port, 0 for a named one.
  PortList PortMap() const {
    PortList ports;
    for (const auto& each : node_) {
      const std::string key = each.first.as<std::string>();
      asked_.insert(key);
      const std::string target =
          each.second.IsScalar() ? each.second.as<std::string>() : std::string();
      const std::optional<std::uint16_t> service_port = ParsePort(key);
      const std::optional<std::uint16_t> target_port =
          target == "0" ? std::optional<std::uint16_t>(0) : ParsePort(target);
      if (!service_port || !target_port) {
        Refuse(key, "does not map a port to a port");
        continue;
      }
      ports.push_back(mesh::Port{.service_port = *service_port,
                                 .target_port = *target_port,
                                 .app_protocol = AppProtocol::kUnknown});
    }
    std::sort(ports.begin(), ports.end(), [](const mesh::Port& a, const mesh::Port& b) {
      return a.service_port < b.service_port;
    });
    return ports;
  }
  void Nested(const std::string& key, const std::function<void(const YamlMap&)>& visit) const {
    asked_.insert(key);
    if (Has(key)) visit(YamlMap(node_[key], Path(key), errors_));
  }
  // A map of maps.
  void EachNested(const std::string& key,
                  const std::function<void(const std::string&, const YamlMap&)>& visit) const {
    asked_.insert(key);
    if (!Has(key)) return;
    if (!node_[key].IsMap()) return Refuse(key, "is not a map");
    if (!errors_.Take(Path(key), node_[key].size() + 1)) return;
    for (const auto& each : node_[key]) {
      const std::string name = each.first.as<std::string>();
      visit(name, YamlMap(each.second, Path(key) + "." + name, errors_));
    }
  }
  void EachItem(const std::string& key, const std::function<void(const YamlMap&)>& visit) const {
    std::size_t index = 0;
    for (const YAML::Node& item : Sequence(key))
      visit(YamlMap(item, Path(key) + "[" + std::to_string(index++) + "]", errors_));
  }
  void EachList(const std::string& key, const std::function<void(const YamlList&)>& visit) const;
  // After every key was asked for: what is left is unknown.
  void Finish() const {
    if (!node_.IsMap()) return;
    for (const auto& each : node_) {
      const std::string key = each.first.as<std::string>();
      if (!asked_.contains(key)) Refuse(key, "is not a field that is known here");
    }
  }

 private:
  std::string Path(const std::string& key) const {
    return path_.empty() ? key : key.empty() ? path_ : path_ + "." + key;
  }
  std::vector<YAML::Node> Sequence(const std::string& key) const {
    asked_.insert(key);
    std::vector<YAML::Node> items;
    if (!Has(key)) return items;
    if (!node_[key].IsSequence()) {
      Refuse(key, "is not a list");
      return items;
    }
    if (!errors_.Take(Path(key), node_[key].size() + 1)) return items;
    for (const YAML::Node& item : node_[key]) items.push_back(item);
    return items;
  }

  const YAML::Node node_;
  std::string path_;
  YamlErrors& errors_;
  mutable std::set<std::string> asked_;
};

// A list within a list.
class YamlList {
 public:
  YamlList(const YAML::Node& node, std::string path, YamlErrors& errors)
      : node_(node), path_(std::move(path)), errors_(errors) {
    if (!node_.IsSequence()) errors_.Add(path_, "is not a list");
    open_ = node_.IsSequence() && errors_.Take(path_, node_.size() + 1);
  }
  void EachList(const std::function<void(const YamlList&)>& visit) const {
    for (std::size_t i = 0; open_ && i < node_.size(); ++i)
      visit(YamlList(node_[i], At(i), errors_));
  }
  void EachMap(const std::function<void(const YamlMap&)>& visit) const {
    for (std::size_t i = 0; open_ && i < node_.size(); ++i)
      visit(YamlMap(node_[i], At(i), errors_));
  }

 private:
  std::string At(std::size_t index) const { return path_ + "[" + std::to_string(index) + "]"; }
  const YAML::Node node_;
  std::string path_;
  YamlErrors& errors_;
  bool open_ = false;
};

inline void YamlMap::EachList(const std::string& key,
                              const std::function<void(const YamlList&)>& visit) const {
  std::size_t index = 0;
  for (const YAML::Node& item : Sequence(key))
    visit(YamlList(item, Path(key) + "[" + std::to_string(index++) + "]", errors_));
}

}  // namespace aquifer::mesh
