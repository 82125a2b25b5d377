#include "redirect/cni_chain.h"

#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

// In the shape of what several providers of networks write, keys in odd orders.
constexpr const char* kBridge = R"({
  "name": "pods",
  "cniVersion": "1.0.0",
  "plugins": [
    {
      "type": "bridge",
      "isGateway": true,
      "bridge": "cni0",
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]],
               "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
})";
constexpr const char* kFlannel = R"({"name":"cbr0","cniVersion":"0.3.1","plugins":[
  {"type":"flannel","delegate":{"hairpinMode":true,"isDefaultGateway":true}},
  {"type":"portmap","capabilities":{"portMappings":true}}]})";
constexpr const char* kCalico = R"({"name":"k8s-pod-network","cniVersion":"0.3.1","plugins":[
  {"type":"calico","log_level":"info","datastore_type":"kubernetes","nodename":"n1","mtu":0,
   "ipam":{"type":"calico-ipam"},"policy":{"type":"k8s"},
   "kubernetes":{"kubeconfig":"/etc/cni/net.d/calico-kubeconfig"}},
  {"type":"bandwidth","capabilities":{"bandwidth":true}}]})";
constexpr const char* kCilium = R"({"cniVersion":"0.3.1","name":"cilium","plugins":[
  {"type":"cilium-cni","enable-debug":false,"log-file":"/var/run/cilium/cilium-cni.log"}]})";
constexpr const char* kSingle = R"({"type":"ptp","mtu":1480.5,"name":"one","cniVersion":"0.4.0"})";

OrderedJson Entry(const std::string& settings = "") {
  const Decoded<OrderedJson> entry = MakePluginEntry(settings);
  REQUIRE(entry.ok());
  return *entry;
}

std::string Edited(const std::string& text, const OrderedJson& entry = Entry()) {
  const Decoded<Edit> edit = WithPlugin(text, entry);
  REQUIRE(edit.ok());
  REQUIRE(edit->has_value());
  return **edit;
}

std::string FieldRefused(const std::string& text) {
  const Decoded<Edit> edit = WithPlugin(text, Entry());
  return edit ? "taken" : edit.error().field;
}

std::string WrapRefused(const std::string& text) {
  const Decoded<std::string> wrapped = WrapConf(text, Entry());
  return wrapped ? "taken" : wrapped.error().field;
}

std::string SettingRefused(const std::string& settings) {
  const Decoded<OrderedJson> entry = MakePluginEntry(settings);
  return entry ? "taken" : entry.error().field;
}

}  // namespace

TEST_CASE("the plugin goes to the end of every provider's list, and the rest stays in its order") {
  for (const std::string text : {kBridge, kFlannel, kCalico, kCilium}) {
    const std::string edited = Edited(text);
    OrderedJson expected = OrderedJson::parse(text);
    expected["plugins"].push_back(Entry());
    CHECK(edited == expected.dump(2) + "\n");
    CHECK(HasPlugin(edited));
    CHECK_FALSE(HasPlugin(text));
  }
}

TEST_CASE("a list that has the plugin is left alone") {
  for (const std::string text : {kBridge, kFlannel, kCalico, kCilium}) {
    const Decoded<Edit> again = WithPlugin(Edited(text), Entry());
    REQUIRE(again.ok());
    CHECK_FALSE(again->has_value());
  }
}

TEST_CASE("an entry of ours with other settings is replaced where it stands") {
  OrderedJson list = OrderedJson::parse(Edited(kBridge, Entry(R"({"failClosed":false})")));
  const OrderedJson last = {{"type", "tuning"}};
  list["plugins"].push_back(last);
  const OrderedJson edited = OrderedJson::parse(Edited(list.dump()));
  REQUIRE(edited.at("plugins").size() == 4);
  CHECK(edited.at("plugins")[2].dump() == Entry().dump());
  CHECK(edited.at("plugins")[3].dump() == last.dump());
}

TEST_CASE("of several entries of ours one is left") {
  OrderedJson list = OrderedJson::parse(Edited(kFlannel));
  list["plugins"].push_back(Entry());
  CHECK(OrderedJson::parse(Edited(list.dump())).at("plugins").size() == 3);
}

TEST_CASE("taking the plugin out gives the list back that was there") {
  for (const std::string text : {kBridge, kFlannel, kCalico, kCilium}) {
    const Decoded<Edit> without = WithoutPlugin(Edited(text));
    REQUIRE(without.ok());
    REQUIRE(without->has_value());
    CHECK(**without == OrderedJson::parse(text).dump(2) + "\n");
    const Decoded<Edit> again = WithoutPlugin(**without);
    REQUIRE(again.ok());
    CHECK_FALSE(again->has_value());
  }
}

TEST_CASE("a single configuration becomes the first of a list of two") {
  const Decoded<std::string> wrapped = WrapConf(kSingle, Entry());
  REQUIRE(wrapped.ok());
  const OrderedJson list = OrderedJson::parse(*wrapped);
  CHECK(list.at("cniVersion").get<std::string>() == "0.4.0");
  CHECK(list.at("name").get<std::string>() == "one");
  REQUIRE(list.at("plugins").size() == 2);
  CHECK(list.at("plugins")[0].dump() == kSingle);
  CHECK(list.at("plugins")[1].dump() == Entry().dump());
  CHECK(HasPlugin(*wrapped));
  const Decoded<Edit> again = WithPlugin(*wrapped, Entry());
  REQUIRE(again.ok());
  CHECK_FALSE(again->has_value());
}

TEST_CASE("a list that no runtime would take, or our plugin could not serve, is not touched") {
  CHECK(FieldRefused("").empty());
  CHECK(FieldRefused(std::string(kBridge).substr(0, 100)).empty());
  CHECK(FieldRefused("[]").empty());
  CHECK(FieldRefused(std::string((1 << 20) + 1, ' ')).empty());
  CHECK(FieldRefused(R"({"cniVersion":"1.0.0","name":"n"})") == "plugins");
  CHECK(FieldRefused(R"({"cniVersion":"1.0.0","name":"n","plugins":[]})") == "plugins");
  CHECK(FieldRefused(R"({"cniVersion":"1.0.0","name":"n","plugins":["a"]})") == "plugins");
  CHECK(FieldRefused(R"({"cniVersion":"0.2.0","name":"n","plugins":[{"type":"a"}]})") ==
        "cniVersion");
  CHECK(FieldRefused(R"({"name":"n","plugins":[{"type":"a"}]})") == "cniVersion");
  CHECK(FieldRefused(R"({"cniVersion":"1.0.0","plugins":[{"type":"a"}]})") == "name");
  CHECK(FieldRefused(R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"aquifer-cni"}]})") ==
        "plugins[0]");
}

TEST_CASE("a single configuration that is none is not wrapped") {
  CHECK(WrapRefused(kSingle) == "taken");
  CHECK(WrapRefused(R"({"cniVersion":"1.0.0","name":"n"})") == "type");
  CHECK(WrapRefused(R"({"cniVersion":"1.0.0","name":"n","type":"aquifer-cni"})") == "type");
  CHECK(WrapRefused(R"({"cniVersion":"1.0.0","type":"ptp"})") == "name");
  CHECK(WrapRefused(R"({"cniVersion":"0.1.0","name":"n","type":"ptp"})") == "cniVersion");
}

TEST_CASE("a list with nothing but our plugin is not emptied") {
  const Decoded<Edit> edit =
      WithoutPlugin(R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"aquifer-cni"}]})");
  REQUIRE_FALSE(edit.ok());
  CHECK(edit.error().field == "plugins");
}

TEST_CASE("a list that our entry would bring over a bound is not touched") {
  OrderedJson list = OrderedJson::parse(kCilium);
  while (list["plugins"].size() < 64) list["plugins"].push_back(OrderedJson{{"type", "tuning"}});
  CHECK(FieldRefused(list.dump()) == "plugins");
  list["plugins"].erase(63);
  CHECK(FieldRefused(list.dump()) == "taken");
}

TEST_CASE("the entry says every setting, and takes those that are given") {
  CHECK(Entry().dump() ==
        R"({"type":"aquifer-cni","socket":"/var/run/aquifer-cni/plugin.sock","timeoutSeconds":30,)"
        R"("failClosed":true,"excludeNamespaces":["kube-system","aquifer-system"]})");
  const OrderedJson entry = Entry(R"({"excludeNamespaces":["mesh"],"timeoutSeconds":10})");
  CHECK(entry.at("excludeNamespaces").dump() == R"(["mesh"])");
  CHECK(entry.at("timeoutSeconds").get<int>() == 10);
  CHECK(entry.at("failClosed").get<bool>());
}

TEST_CASE("settings that the plugin would not take are refused before they are written") {
  CHECK(SettingRefused("x").empty());
  CHECK(SettingRefused(R"({"type":"other"})") == "type");
  CHECK(SettingRefused(R"({"failclosed":false})") == "failclosed");
  CHECK(SettingRefused(R"({"failClosed":"no"})") == "failClosed");
  CHECK(SettingRefused(R"({"timeoutSeconds":1000})") == "timeoutSeconds");
  CHECK(SettingRefused(R"({"socket":"plugin.sock"})") == "socket");
}

TEST_CASE("the configuration that counts is the first by its bytes, ours not counted") {
  CHECK(FirstConf({"99-loopback.conf", "10-bridge.conflist"}) == "10-bridge.conflist");
  CHECK(FirstConf({"B.conf", "a.json"}) == "B.conf");
  CHECK(FirstConf({"10-a-aquifer.conflist", "10-a.conf"}) == "10-a.conf");
  CHECK(FirstConf({"README", "calico-kubeconfig", "05-x.conf.new", "10-a.json"}) == "10-a.json");
  CHECK(FirstConf({"10-a-aquifer.conflist"}).empty());
  CHECK(FirstConf({}).empty());
}

TEST_CASE("a runtime takes the list that wraps a configuration before the configuration itself") {
  for (const std::string name : {"10-a.conf", "10-a.json", "x.y.conf"}) {
    const std::string wrapper = WrapperOf(name);
    CHECK(wrapper < name);
    CHECK(IsWrapper(wrapper));
    CHECK(IsListName(wrapper));
    CHECK_FALSE(IsWrapper(name));
  }
  CHECK(WrapperOf("10-a.conf") == "10-a-aquifer.conflist");
}

}  // namespace aquifer::redirect
