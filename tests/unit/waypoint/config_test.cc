#include "waypoint/config.h"

#include "tests/support/catch.h"

namespace aquifer::waypoint {
namespace {

app::Environment Whole() {
  return {{"GATEWAY_NAME", "waypoint"},
          {"POD_NAMESPACE", "app"},
          {"SERVICE_ACCOUNT", "waypoint"},
          {"INSTANCE_IP", "10.0.0.1"},
          {"XDS_ADDRESS", "https://c:15012"}};
}

std::string RefusalOf(const std::string& name, const std::string& value) {
  app::Environment environment = Whole();
  environment[name] = value;
  const auto loaded = LoadConfig(environment);
  return loaded.ok() ? "accepted" : loaded.error().field;
}

TEST_CASE("settings have defaults where they can") {
  const auto loaded = LoadConfig(Whole());
  REQUIRE(loaded.ok());
  const Config& config = loaded->config;
  CHECK(config.xds_address == "c:15012");
  CHECK(config.ca_address == "c:15012");
  CHECK(config.pod_name == "waypoint");
  CHECK(config.hbone_port == 15008);
}

TEST_CASE("revocation lists are looked at where they are") {
  CHECK(Config().crl_path.empty());
  app::Environment environment = Whole();
  environment["CRL_PATH"] = "/etc/crl/ca-crl.pem";
  const auto loaded = LoadConfig(environment);
  REQUIRE(loaded.ok());
  CHECK(loaded->config.crl_path == "/etc/crl/ca-crl.pem");
  CHECK(loaded->notes.ignored.empty());
}

TEST_CASE("a bad value is refused under the variable's name") {
  CHECK(RefusalOf("INSTANCE_IP", "x") == "INSTANCE_IP");
  CHECK(RefusalOf("XDS_ADDRESS", "http://c:1") == "XDS_ADDRESS");
  CHECK(RefusalOf("CA_ADDRESS", "c") == "CA_ADDRESS");
  CHECK(RefusalOf("TRUST_DOMAIN", "A/b") == "TRUST_DOMAIN");
  CHECK(RefusalOf("WORKER_THREADS", "-1") == "WORKER_THREADS");
  CHECK(RefusalOf("AQUIFER_HBONE_PORT", "0") == "AQUIFER_HBONE_PORT");
  CHECK(RefusalOf("SECRET_TTL", "24") == "SECRET_TTL");
  CHECK(RefusalOf("SECRET_TTL", "") == "SECRET_TTL");
  CHECK(RefusalOf("IPV6_ENABLED", "yes") == "IPV6_ENABLED");
  CHECK(RefusalOf("SECRET_TTL", "90m") == "accepted");
  CHECK(RefusalOf("SOMETHING_ELSE", "x") == "accepted");
}

TEST_CASE("what is missing is named") {
  for (const auto& [name, value] : Whole()) {
    app::Environment environment = Whole();
    environment.erase(name);
    const auto loaded = LoadConfig(environment);
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().field == name);
  }
}

}  // namespace
}  // namespace aquifer::waypoint
