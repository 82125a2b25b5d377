#include "core/app/settings.h"

#include <cstdlib>
#include <thread>

#include "core/app/setting_values.h"
#include "tests/support/catch.h"

namespace aquifer::app {
namespace {

struct Shared {
  std::string name;
};
struct Config : Shared {
  bool on = false;
  std::uint16_t port = 0;
  std::chrono::milliseconds wait{};
  std::string domain;
};

const Settings<Config>& Rows() {
  static const Settings<Config> rows = {
      {"NAME", Text(&Shared::name)},
      {"ON", Into(&Config::on, &ReadBool)},
      {"SERVER_PORT", Port(&Config::port)},
      {"WAIT_TIME", Into(&Config::wait, &ReadDuration)},
      {"ALIAS", Text(&Config::name)},
      {"CRL_PATH", nullptr},
      {"FAKE_CA", Only("false")},
      {"DOMAIN", TextThat(
                     &Config::domain, [](const std::string& text) { return text != "x"; }, "is x")},
  };
  return rows;
}

struct Outcome {
  Config config;
  SettingNotes notes;
  std::string refusal;
};

Outcome Load(const Environment& environment) {
  Outcome outcome;
  constexpr std::string_view kFree[] = {"FREE_"};
  Decoded<SettingNotes> notes = ApplySettings(Rows(), environment, outcome.config, kFree);
  if (notes.ok()) outcome.notes = *std::move(notes);
  if (!notes.ok()) outcome.refusal = notes.error().ToString();
  return outcome;
}

std::string MeantBy(const std::string& name) {
  const Outcome outcome = Load({{name, "x"}});
  REQUIRE(outcome.notes.misspelt.size() <= 1);
  return outcome.notes.misspelt.empty() ? "" : outcome.notes.misspelt[0].meant;
}

template <class T>
std::string WhyNot(const Decoded<T>& read) {
  return read.ok() ? "" : read.error().ToString();
}

}  // namespace

TEST_CASE("a setting goes where its row says, whoever's member it is") {
  const Outcome outcome = Load({{"NAME", "a"}, {"ON", "true"}, {"WAIT_TIME", "1m"}});
  CHECK(outcome.refusal.empty());
  CHECK(outcome.config.name == "a");
  CHECK(outcome.config.on);
  CHECK(outcome.config.wait == std::chrono::minutes(1));
  CHECK(outcome.config.port == 0);
}

TEST_CASE("of two rows for one thing the later one wins") {
  CHECK(Load({{"NAME", "a"}, {"ALIAS", "b"}}).config.name == "b");
}

TEST_CASE("a refusal names the variable, what is wrong, and the value in part") {
  CHECK(Load({{"ON", "yes"}}).refusal == "ON: is neither true nor false: 'yes'");
  CHECK(Load({{"SERVER_PORT", "0"}}).refusal ==
        "SERVER_PORT: is not a number from 1 to 65535: '0'");
  CHECK(Load({{"FAKE_CA", "true"}}).refusal == "FAKE_CA: only false is supported: 'true'");
  CHECK(Load({{"DOMAIN", "x"}}).refusal == "DOMAIN: is x: 'x'");
  const std::string long_value(5000, 'v');
  CHECK(Load({{"ON", long_value}}).refusal.size() < 200);
}

TEST_CASE("a setting without effect here is told, not refused") {
  CHECK(Load({{"CRL_PATH", "/x"}}).notes.ignored == std::vector<std::string>{"CRL_PATH"});
}

TEST_CASE("a name one or two letters off a setting is taken for a misspelling") {
  CHECK(MeantBy("SERVER_PROT") == "SERVER_PORT");
  CHECK(MeantBy("SERVERPORT") == "SERVER_PORT");
  CHECK(MeantBy("SERVER_PORTS") == "SERVER_PORT");
  CHECK(MeantBy("SRVR_PORT") == "SERVER_PORT");
  CHECK(MeantBy("server_port") == "SERVER_PORT");
  CHECK(MeantBy("NAMES") == "NAME");
}

TEST_CASE("a name that only begins like a setting is somebody else's") {
  for (const char* name : {"SERVER_PORT_NUMBER", "SERVER", "HOSTNAME", "PATH", "NUMA", "FREE_NAME",
                           "SERVER_PORT", "CRL_PATH", ""}) {
    INFO(name);
    CHECK(MeantBy(name).empty());
  }
}

TEST_CASE("entries with a prefix are found under the rest of their names") {
  const Environment environment = {{"H_a", "1"}, {"H_", "2"}, {"h_b", "3"}, {"G_c", "4"}};
  CHECK(WithPrefix(environment, "H_") == std::map<std::string, std::string>{{"a", "1"}});
}

TEST_CASE("the process's environment is read with everything after the first equals sign") {
  ::setenv("AQUIFER_TEST_ENTRY", "a=b=", 1);
  const Environment environment = ReadEnvironment();
  ::unsetenv("AQUIFER_TEST_ENTRY");
  CHECK(environment.at("AQUIFER_TEST_ENTRY") == "a=b=");
}

TEST_CASE("numbers are whole, in range and nothing else") {
  CHECK(*ReadNumber<int>("-5", -5, 5) == -5);
  CHECK(*ReadNumber<std::uint32_t>("4294967295", 1, 0xffffffff) == 0xffffffff);
  for (const char* text : {"", " 1", "1 ", "+1", "1.0", "0x1", "6", "-6", "99999999999999999999"}) {
    INFO(text);
    CHECK(WhyNot(ReadNumber<int>(text, -5, 5)) == "is not a number from -5 to 5");
  }
}

TEST_CASE("a server is host:port, also as an https URL; empty is none") {
  CHECK(*ReadServerAddress("istiod.istio-system.svc:15012") == "istiod.istio-system.svc:15012");
  CHECK(*ReadServerAddress("https://c:15012") == "c:15012");
  CHECK(*ReadServerAddress("[::1]:15012") == "[::1]:15012");
  CHECK(ReadServerAddress("")->empty());
  CHECK(WhyNot(ReadServerAddress("http://c:15012")) == "must be https");
  for (const char* text : {"c", ":1", "c:", "c:0", "c:65536", "c:x", "https://c"}) {
    INFO(text);
    CHECK(WhyNot(ReadServerAddress(text)) == "is not host:port");
  }
}

TEST_CASE("threads are a number, all cores, or a share of them that is at least one") {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  CHECK(*ReadThreads("7") == 7);
  CHECK(*ReadThreads("0") == cores);
  CHECK(*ReadThreads("100%") == cores);
  CHECK(*ReadThreads("1%") == std::max(1U, cores / 100));
  for (const char* text : {"", "%", "0%", "101%", "-1", "1025", "2x", "50%%"}) {
    INFO(text);
    CHECK_FALSE(ReadThreads(text).ok());
  }
}

TEST_CASE("a drain ends before Kubernetes ends the process") {
  using std::chrono::seconds;
  CHECK(*ReadGracePeriod("30") == seconds(25));
  CHECK(*ReadGracePeriod("11") == seconds(6));
  CHECK(*ReadGracePeriod("10") == seconds(9));
  CHECK(*ReadGracePeriod("2") == seconds(1));
  CHECK(*ReadGracePeriod("1") == seconds(1));
  CHECK_FALSE(ReadGracePeriod("0").ok());
  CHECK_FALSE(ReadGracePeriod("30s").ok());
}

TEST_CASE("the kernel is reached as the setting says, or as it can be") {
  CHECK(*ReadIoBackend("auto") == std::nullopt);
  CHECK(*ReadIoBackend("io_uring") == BackendKind::kIoUring);
  CHECK(*ReadIoBackend("epoll") == BackendKind::kEpoll);
  for (const char* text : {"", "uring", "Epoll", "select"})
    CHECK(WhyNot(ReadIoBackend(text)) == "is none of auto, io_uring and epoll");
}

TEST_CASE("a duration of nothing, an address of nothing and levels that are none are refused") {
  CHECK_FALSE(ReadDuration("0s").ok());
  CHECK_FALSE(ReadIp("").ok());
  CHECK_FALSE(ReadIp("10.0.0.1:1").ok());
  CHECK(*ReadIp("::1") == "::1");
  CHECK_FALSE(ReadLogLevels("xds=loud").ok());
  CHECK(ReadLogLevels("warn,xds=debug")->ToString() == "warn,xds=debug");
  CHECK(*ReadLogFormat("json") == obs::LogFormat::kJson);
  CHECK(*ReadLogFormat("plain") == obs::LogFormat::kText);
}

}  // namespace aquifer::app
