#include "redirect/cni_plugin.h"

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

// Answers as it is told to, and notes what it was asked.
class NotingAgent final : public PluginAgent {
 public:
  Decoded<PluginAnswer> Ask(const PluginSettings& settings, const PluginRequest& request) override {
    sockets.push_back(settings.socket);
    asked.push_back(request);
    return answer;
  }

  Decoded<PluginAnswer> answer = PluginAnswer{.enrolled = true};
  std::vector<PluginRequest> asked;
  std::vector<std::string> sockets;
};

constexpr const char* kResult =
    R"({"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/x"}],"ips":[{"address":)"
    R"("10.1.0.5/24","interface":0}],"dns":{},"zebra":1,"apple":2})";

std::string Conf(const std::string& more = "", const std::string& version = "1.0.0") {
  std::string result = kResult;
  result.replace(result.find("1.0.0"), 5, version);
  return R"({"cniVersion":")" + version + R"(","name":"pods","type":"aquifer-cni",)" + more +
         R"("prevResult":)" + result + "}";
}

PluginCall Call(const std::string& command, const std::string& conf = Conf()) {
  return {.command = command,
          .container_id = "c1",
          .netns = "/var/run/netns/cni-1",
          .args =
              "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart;"
              "K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u-1",
          .conf = conf};
}

std::string VersionOf(const PluginOutput& output) {
  return OrderedJson::parse(output.text).at("cniVersion").get<std::string>();
}

// The error object that the output is.
OrderedJson ErrorOf(const PluginOutput& output) {
  CHECK(output.exit_status == 1);
  return OrderedJson::parse(output.text);
}

int CodeOf(const PluginOutput& output) { return ErrorOf(output).at("code").get<int>(); }

std::string DetailsOf(const PluginOutput& output) {
  return ErrorOf(output).at("details").get<std::string>();
}

}  // namespace

TEST_CASE("ADD asks for the pod and passes the result on as it came") {
  NotingAgent agent;
  const PluginOutput output = RunPlugin(Call("ADD"), agent);
  CHECK(output.exit_status == 0);
  CHECK(output.text == std::string(kResult) + "\n");
  REQUIRE(agent.asked.size() == 1);
  CHECK(agent.asked[0] == PluginRequest{.command = PluginCommand::kAdd,
                                        .ns = "shop",
                                        .name = "cart",
                                        .uid = "u-1",
                                        .netns = "/var/run/netns/cni-1",
                                        .container_id = "c1"});
  CHECK(agent.sockets[0] == kPluginSocket);
}

TEST_CASE("a pod that is not in the mesh starts") {
  NotingAgent agent;
  agent.answer = PluginAnswer{.enrolled = false};
  CHECK(RunPlugin(Call("ADD"), agent).exit_status == 0);
}

TEST_CASE("the result has the version of the configuration, whichever that is") {
  for (const std::string version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    NotingAgent agent;
    const PluginOutput output = RunPlugin(Call("ADD", Conf("", version)), agent);
    CHECK(output.exit_status == 0);
    CHECK(VersionOf(output) == version);
  }
  NotingAgent agent;
  const std::string bare = R"({"cniVersion":"0.4.0","name":"n","prevResult":{"ips":[]}})";
  const PluginOutput output = RunPlugin(Call("ADD", bare), agent);
  CHECK(output.text == "{\"ips\":[],\"cniVersion\":\"0.4.0\"}\n");
}

TEST_CASE("a pod of the mesh does not start while nobody can say that it is captured") {
  NotingAgent agent;
  agent.answer = Refusal{"/run/x.sock", "connection refused"};
  const PluginOutput output = RunPlugin(Call("ADD"), agent);
  CHECK(CodeOf(output) == 11);
  CHECK(VersionOf(output) == "1.0.0");
  CHECK(ErrorOf(output).at("msg").get<std::string>().find("shop/cart") != std::string::npos);
  CHECK(DetailsOf(output) == "/run/x.sock: connection refused");
}

TEST_CASE("a pod of the mesh does not start when the agent could not bring it in") {
  NotingAgent agent;
  agent.answer = PluginAnswer{.enrolled = false, .error = "node proxy: none is there"};
  const PluginOutput output = RunPlugin(Call("ADD"), agent);
  CHECK(CodeOf(output) == 11);
  CHECK(DetailsOf(output) == "node proxy: none is there");
}

TEST_CASE("with failClosed off the pod starts, and the runtime's log says what was missing") {
  NotingAgent agent;
  agent.answer = Refusal{"socket", "is not there"};
  const PluginOutput output = RunPlugin(Call("ADD", Conf(R"("failClosed":false,)")), agent);
  CHECK(output.exit_status == 0);
  CHECK(output.text == std::string(kResult) + "\n");
  CHECK(output.note.find("is not there") != std::string::npos);
}

TEST_CASE("pods of excluded namespaces start without anybody being asked") {
  NotingAgent agent;
  agent.answer = Refusal{"socket", "is not there"};
  const std::string conf = Conf(R"("excludeNamespaces":["kube-system","shop"],)");
  for (const std::string command : {"ADD", "CHECK", "DEL"}) {
    CHECK(RunPlugin(Call(command, conf), agent).exit_status == 0);
  }
  CHECK(agent.asked.empty());
}

TEST_CASE("what is no pod of Kubernetes is nobody's business") {
  NotingAgent agent;
  PluginCall call = Call("ADD");
  call.args = "";
  CHECK(RunPlugin(call, agent).exit_status == 0);
  CHECK(agent.asked.empty());
}

TEST_CASE("a variable that is missing or malformed is named") {
  const std::vector<std::pair<PluginCall, std::string>> bad = [] {
    std::vector<std::pair<PluginCall, std::string>> calls;
    PluginCall call = Call("ADD");
    call.args = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart";
    calls.emplace_back(call, "CNI_ARGS: K8S_POD_UID: is missing");
    call.args = "K8S_POD_NAME=cart;K8S_POD_UID=u";
    calls.emplace_back(call, "CNI_ARGS: K8S_POD_NAMESPACE: is missing");
    call.args = "K8S_POD_NAMESPACE=shop;nonsense";
    calls.emplace_back(call, "it has a part without \"=\"");
    call = Call("ADD");
    call.netns = "";
    calls.emplace_back(call, "CNI_NETNS: is missing");
    call = Call("ADD");
    call.container_id = "";
    calls.emplace_back(call, "CNI_CONTAINERID: is missing");
    return calls;
  }();
  for (const auto& [call, details] : bad) {
    NotingAgent agent;
    const PluginOutput output = RunPlugin(call, agent);
    CHECK(CodeOf(output) == 4);
    CHECK(DetailsOf(output) == details);
    CHECK(agent.asked.empty());
  }
}

TEST_CASE("a configuration that cannot be used is refused with the specification's code") {
  const std::vector<std::tuple<std::string, int, std::string>> bad = {
      {"", 6, "standard input is not JSON"},
      {"[]", 6, "standard input is not a JSON object"},
      {R"({"cniVersion":"0.2.0"})", 1, "cniVersion: \"0.2.0\" is none from 0.3.0 to 1.1.0"},
      {R"({})", 1, "cniVersion: \"\" is none from 0.3.0 to 1.1.0"},
      {R"({"cniVersion":1})", 7, "cniVersion: is not text"},
      {R"({"cniVersion":"1.0.0"})", 7,
       "prevResult: is missing; aquifer-cni comes after another plugin"},
      {Conf(R"("socket":"x",)"), 7, "socket: is not an absolute path"},
      {Conf(R"("timeoutSeconds":0,)"), 7, "timeoutSeconds: is not a number from 1 to 110"},
      {Conf(R"("timeoutSeconds":1.5,)"), 7, "timeoutSeconds: is not a number from 1 to 110"},
      {Conf(R"("timeoutSeconds":18446744073709551615,)"), 7,
       "timeoutSeconds: is not a number from 1 to 110"},
      {Conf(R"("failClosed":"no",)"), 7, "failClosed: is neither true nor false"},
      {Conf(R"("excludeNamespaces":"kube-system",)"), 7,
       "excludeNamespaces: is not a list of at most 256 namespaces"},
      {Conf(R"("excludeNamespaces":[""],)"), 7,
       "excludeNamespaces: has an entry that is no name of a namespace"},
      {R"({"cniVersion":"1.0.0","prevResult":{"cniVersion":"0.4.0"}})", 7,
       "prevResult.cniVersion: is another than that of the configuration"},
  };
  for (const auto& [conf, code, details] : bad) {
    NotingAgent agent;
    const PluginOutput output = RunPlugin(Call("ADD", conf), agent);
    INFO(conf);
    CHECK(CodeOf(output) == code);
    CHECK(DetailsOf(output) == details);
    CHECK(agent.asked.empty());
  }
}

TEST_CASE("a configuration of more than a mebibyte is not read") {
  NotingAgent agent;
  const PluginOutput output = RunPlugin(Call("ADD", std::string((1 << 20) + 1, ' ')), agent);
  CHECK(CodeOf(output) == 6);
  CHECK(DetailsOf(output) == "standard input is larger than 1048576 bytes");
}

TEST_CASE("DEL tells the agent and never fails") {
  NotingAgent agent;
  agent.answer = Refusal{"socket", "is not there"};
  const std::string without_result = R"({"cniVersion":"1.0.0","name":"pods"})";
  const PluginOutput output = RunPlugin(Call("DEL", without_result), agent);
  CHECK(output.exit_status == 0);
  CHECK(output.text.empty());
  CHECK(output.note.find("is not there") != std::string::npos);
  REQUIRE(agent.asked.size() == 1);
  CHECK(agent.asked[0].command == PluginCommand::kDel);
  CHECK(RunPlugin(Call("DEL", "not JSON"), agent).exit_status == 0);
  PluginCall nameless = Call("DEL");
  nameless.args = "K8S_POD_NAMESPACE=shop";
  CHECK(RunPlugin(nameless, agent).exit_status == 0);
}

TEST_CASE("CHECK asks whether the pod is captured, and prints nothing") {
  NotingAgent agent;
  const PluginOutput good = RunPlugin(Call("CHECK"), agent);
  CHECK(good.exit_status == 0);
  CHECK(good.text.empty());
  REQUIRE(agent.asked.size() == 1);
  CHECK(agent.asked[0].command == PluginCommand::kCheck);
  agent.answer = PluginAnswer{.enrolled = true, .error = "capture: the rules are gone"};
  CHECK(DetailsOf(RunPlugin(Call("CHECK"), agent)) == "capture: the rules are gone");
}

TEST_CASE("commands that a version does not have are refused") {
  NotingAgent agent;
  CHECK(CodeOf(RunPlugin(Call("CHECK", Conf("", "0.3.1")), agent)) == 1);
  CHECK(CodeOf(RunPlugin(Call("STATUS", Conf("", "1.0.0")), agent)) == 1);
  CHECK(CodeOf(RunPlugin(Call("GC", Conf("", "1.0.0")), agent)) == 1);
  CHECK(CodeOf(RunPlugin(Call("add"), agent)) == 4);
  CHECK(CodeOf(RunPlugin(Call(""), agent)) == 4);
  CHECK(agent.asked.empty());
}

TEST_CASE("the node stays ready while its agent is away") {
  NotingAgent agent;
  agent.answer = Refusal{"socket", "is not there"};
  const std::string conf = R"({"cniVersion":"1.1.0","name":"pods"})";
  CHECK(RunPlugin(Call("STATUS", conf), agent).exit_status == 0);
  CHECK(RunPlugin(Call("GC", conf), agent).exit_status == 0);
}

TEST_CASE("VERSION tells the versions whatever the configuration is") {
  NotingAgent agent;
  const PluginOutput output = RunPlugin(Call("VERSION", R"({"cniVersion":"0.4.0"})"), agent);
  CHECK(output.exit_status == 0);
  CHECK(output.text ==
        "{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\","
        "\"1.1.0\"]}\n");
  const PluginOutput newest = RunPlugin(Call("VERSION", ""), agent);
  CHECK(VersionOf(newest) == "1.1.0");
}

}  // namespace aquifer::redirect
