#include "node-proxy/config.h"

#include "tests/support/catch.h"

namespace aquifer::node {
namespace {

using std::chrono::milliseconds;

Config Load(const app::Environment& environment) {
  Decoded<proxy::Loaded<Config>> loaded = LoadConfig(environment);
  INFO((loaded.ok() ? "" : loaded.error().ToString()));
  REQUIRE(loaded.ok());
  return std::move(loaded->config);
}

std::string Refused(const app::Environment& environment) {
  const Decoded<proxy::Loaded<Config>> loaded = LoadConfig(environment);
  return loaded.ok() ? "accepted" : loaded.error().ToString();
}

struct Bad {
  const char* name;
  std::vector<std::string> values;
};

const Bad kBad[] = {
    {"PROXY_MODE", {"", "Shared", "sidecar"}},
    {"PROXY_WORKLOAD_INFO", {"", "a", "a/b", "a/b/c/d"}},
    {"ENABLE_PROXY", {"", "false"}},
    {"TRUST_DOMAIN", {"", "A", "a/b", "a b"}},
    {"INSTANCE_IP", {"", "localhost", "10.0.0"}},
    {"XDS_ADDRESS", {"http://c:15012", "c", "c:", ":15012", "c:0"}},
    {"CA_ADDRESS", {"http://c:15012", "c", "c:70000"}},
    {"SECRET_TTL", {"", "24", "0s", "-1h", "never"}},
    {"XDS_ON_DEMAND", {"", "1"}},
    {"ISTIO_METAJSON_LABELS", {"", "{", "{\"a\":}"}},
    {"FAKE_CA", {"true"}},
    {"INPOD_PORT_REUSE", {"", "1", "True"}},
    {"PACKET_MARK", {"", "0", "-1", "0x539", "4294967296"}},
    {"ENABLE_ORIG_SRC", {"", "try", "yes"}},
    {"IPV6_ENABLED", {"", "no"}},
    {"ZTUNNEL_WORKER_THREADS", {"", "-1", "1025", "0%", "101%", "two"}},
    {"POOL_MAX_STREAMS_PER_CONNECTION", {"", "0", "10001"}},
    {"AQUIFER_BUFFER_BYTES", {"", "16777215", "-1", "1GB"}},
    {"POOL_UNUSED_RELEASE_TIMEOUT", {"", "0s", "5"}},
    {"TERMINATION_GRACE_PERIOD_SECONDS", {"", "0", "30s", "86401"}},
    {"CONNECTION_TERMINATION_DEADLINE", {"", "0ms", "5"}},
    {"HTTP2_STREAM_WINDOW_SIZE", {"", "65534", "2147483648"}},
    {"HTTP2_CONNECTION_WINDOW_SIZE", {"", "65534", "2147483648"}},
    {"HTTP2_FRAME_SIZE", {"", "16383", "16777216"}},
    {"ENABLE_RESPONSE_BAGGAGE", {"", "1"}},
    {"COMPLIANCE_POLICY", {"fips-140-2", "PQC"}},
    {"TLS12_ENABLED", {"true"}},
    {"UNSTABLE_ENABLE_SOCKS5", {"", "1"}},
    {"KEEPALIVE_ENABLED", {"", "1"}},
    {"KEEPALIVE_TIME", {"", "0s", "500ms", "1500ms", "180", "32768s"}},
    {"KEEPALIVE_INTERVAL", {"", "0s", "500ms", "10h"}},
    {"KEEPALIVE_RETRIES", {"", "0", "128", "nine"}},
    {"USER_TIMEOUT_ENABLED", {"", "yes"}},
    {"AQUIFER_IDLE_TIMEOUT", {"", "0", "0s", "never", "-1h"}},
    {"AQUIFER_HALF_CLOSED_TIMEOUT", {"", "0", "0s", "Off"}},
    {"AUTHZ_POLICY_INFO_LOGGING", {"", "1"}},
    {"LOCALHOST_APP_TUNNEL", {"", "yes"}},
    {"RUST_LOG", {"xds=loud", "a b=info"}},
    {"AQUIFER_ADMIN_PORT", {"", "0", "65536", "http"}},
    {"AQUIFER_STATS_PORT", {"", "0", "65536"}},
    {"AQUIFER_READY_PORT", {"", "0", "65536"}},
    {"AQUIFER_IO_BACKEND", {"", "uring"}},
};

}  // namespace

TEST_CASE("a node proxy starts without a single setting") {
  const Config config = Load({});
  CHECK(config.mode == ProxyMode::kShared);
  CHECK(config.xds_address == "localhost:15012");
  CHECK(config.ca_address == "localhost:15012");
  CHECK(config.packet_mark == 1337);
  CHECK(config.instance_ip == "1.1.1.1");
  CHECK(config.keep_source == KeepSource::kTry);
  CHECK(config.workers >= 2);
  CHECK(config.certificate_lifetime == std::chrono::hours(24));
  CHECK(config.drain_deadline == std::chrono::seconds(5));
  CHECK(config.log_levels.ToString() == "info");
}

TEST_CASE("in Kubernetes the control plane is Istio's service") {
  const Config config = Load({{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}});
  CHECK(config.xds_address == "istiod.istio-system.svc:15012");
  CHECK(config.ca_address == "istiod.istio-system.svc:15012");
}

TEST_CASE("every bad value ends the start under its variable's name") {
  for (const Bad& bad : kBad) {
    for (const std::string& value : bad.values) {
      INFO(bad.name << "=" << value);
      const std::string refused = Refused({{bad.name, value}});
      CHECK(refused.starts_with(std::string(bad.name) + ": "));
      CHECK(refused.ends_with(": '" + value + "'"));
    }
  }
}

TEST_CASE("who and where the proxy is") {
  const Config config = Load({{"NETWORK", "east"},
                              {"NODE_NAME", "node-a"},
                              {"CLUSTER_ID", "c1"},
                              {"CLUSTER_DOMAIN", "example.local"},
                              {"TRUST_DOMAIN", "td.example"},
                              {"POD_NAME", "ztunnel-1"},
                              {"POD_NAMESPACE", "istio-system"},
                              {"SERVICE_ACCOUNT", "ztunnel"},
                              {"INSTANCE_IP", "10.0.0.9"},
                              {"ISTIO_META_ISTIO_VERSION", "1.28"},
                              {"ISTIO_META_DNS_CAPTURE", "true"}});
  CHECK(config.network == "east");
  CHECK(config.node_name == "node-a");
  CHECK(config.cluster_id == "c1");
  CHECK(config.cluster_domain == "example.local");
  CHECK(config.trust_domain == "td.example");
  CHECK(config.pod_name == "ztunnel-1");
  CHECK(config.pod_namespace == "istio-system");
  CHECK(config.service_account == "ztunnel");
  CHECK(config.instance_ip == "10.0.0.9");
  CHECK(config.istio_version == "1.28");
  CHECK(config.node_metadata ==
        std::map<std::string, std::string>{{"DNS_CAPTURE", "true"}, {"ISTIO_VERSION", "1.28"}});
}

TEST_CASE("the cluster's name in the metadata goes before CLUSTER_ID") {
  CHECK(Load({{"CLUSTER_ID", "a"}, {"ISTIO_META_CLUSTER_ID", "b"}}).cluster_id == "b");
}

TEST_CASE("where the control plane, the CA and their secrets are") {
  const Config config = Load({{"XDS_ADDRESS", "https://x:1"},
                              {"CA_ADDRESS", "c:2"},
                              {"XDS_ROOT_CA", "/x.pem"},
                              {"CA_ROOT_CA", "SYSTEM"},
                              {"ALT_XDS_HOSTNAME", "x.example"},
                              {"ALT_CA_HOSTNAME", "c.example"},
                              {"AUTH_TOKEN", "/token"},
                              {"SECRET_TTL", "90m"},
                              {"XDS_HEADER_a", "1"},
                              {"CA_HEADER_b", "2"}});
  CHECK(config.xds_address == "x:1");
  CHECK(config.ca_address == "c:2");
  CHECK(config.xds_root_ca == "/x.pem");
  CHECK(config.ca_root_ca == "SYSTEM");
  CHECK(config.xds_host_name == "x.example");
  CHECK(config.ca_host_name == "c.example");
  CHECK(config.auth_token == "/token");
  CHECK(config.certificate_lifetime == std::chrono::minutes(90));
  CHECK(config.xds_headers == std::map<std::string, std::string>{{"a", "1"}});
  CHECK(config.ca_headers == std::map<std::string, std::string>{{"b", "2"}});
}

TEST_CASE("a mesh from a file needs no control plane, but some CA") {
  CHECK(Refused({{"XDS_ADDRESS", ""}}).starts_with("XDS_ADDRESS: "));
  const Config config = Load({{"XDS_ADDRESS", ""},
                              {"CA_ADDRESS", ""},
                              {"LOCAL_XDS_PATH", "/mesh.yaml"},
                              {"AQUIFER_LOCAL_CA_DIR", "/ca"}});
  CHECK(config.xds_address.empty());
  CHECK(config.local_config_path == "/mesh.yaml");
  CHECK(config.local_ca_directory == "/ca");
  CHECK(Load({{"LOCAL_XDS", "{}"}}).local_config == "{}");
  CHECK(Refused({{"CA_ADDRESS", ""}}) == "CA_ADDRESS: must not be empty");
  CHECK(Refused({{"LOCAL_XDS", "{}"}, {"LOCAL_XDS_PATH", "/x"}}) ==
        "LOCAL_XDS: excludes LOCAL_XDS_PATH");
}

TEST_CASE("a dedicated proxy is told its workload, and marks no packets unless asked") {
  const Config config =
      Load({{"PROXY_MODE", "dedicated"}, {"PROXY_WORKLOAD_INFO", "shop/web-1/web"}});
  REQUIRE(config.workload.has_value());
  CHECK(config.workload->ns == "shop");
  CHECK(config.workload->name == "web-1");
  CHECK(config.workload->service_account == "web");
  CHECK(config.packet_mark == 0);
  CHECK(Refused({{"PROXY_MODE", "dedicated"}}) ==
        "PROXY_WORKLOAD_INFO: is needed with PROXY_MODE=dedicated");
}

TEST_CASE("how pods are served") {
  const Config config = Load({{"INPOD_UDS", "/zds"},
                              {"INPOD_PORT_REUSE", "false"},
                              {"PACKET_MARK", "7"},
                              {"ENABLE_ORIG_SRC", "true"},
                              {"IPV6_ENABLED", "false"},
                              {"ZTUNNEL_WORKER_THREADS", "3"}});
  CHECK(config.zds_path == "/zds");
  CHECK_FALSE(config.reuse_port);
  CHECK(config.packet_mark == 7);
  CHECK(config.keep_source == KeepSource::kRequired);
  CHECK_FALSE(config.ipv6);
  CHECK(config.workers == 3);
  CHECK(Load({{"ENABLE_ORIG_SRC", "false"}}).keep_source == KeepSource::kOff);
}

TEST_CASE("how tunnels are shared, bounded and ended") {
  const Config config = Load({{"POOL_MAX_STREAMS_PER_CONNECTION", "10"},
                              {"POOL_UNUSED_RELEASE_TIMEOUT", "1m"},
                              {"HTTP2_STREAM_WINDOW_SIZE", "65535"},
                              {"HTTP2_CONNECTION_WINDOW_SIZE", "2147483647"},
                              {"HTTP2_FRAME_SIZE", "16384"},
                              {"TERMINATION_GRACE_PERIOD_SECONDS", "30"},
                              {"ENABLE_RESPONSE_BAGGAGE", "false"},
                              {"COMPLIANCE_POLICY", "pqc"}});
  CHECK(config.pool_max_streams == 10);
  CHECK(config.pool_idle == std::chrono::minutes(1));
  CHECK(config.stream_window_bytes == 65'535);
  CHECK(config.connection_window_bytes == 0x7fffffff);
  CHECK(config.frame_bytes == 16'384);
  CHECK(config.drain_deadline == std::chrono::seconds(25));
  CHECK_FALSE(config.response_baggage);
  CHECK(config.post_quantum_only);
}

TEST_CASE("SOCKS is spoken when it is asked for") {
  CHECK_FALSE(Load({}).socks5);
  CHECK(Load({{"UNSTABLE_ENABLE_SOCKS5", "true"}}).socks5);
}

TEST_CASE("how silent connections are probed and ended") {
  const Config defaults = Load({});
  CHECK(defaults.keepalive.enabled);
  CHECK(defaults.keepalive.time == std::chrono::seconds(180));
  CHECK(defaults.keepalive.interval == std::chrono::seconds(180));
  CHECK(defaults.keepalive.probes == 9);
  CHECK_FALSE(defaults.keepalive.user_timeout);
  CHECK(defaults.copy_limits.idle == Clock::duration::zero());
  CHECK(defaults.copy_limits.half_closed == std::chrono::hours(1));
  const Config config = Load({{"KEEPALIVE_ENABLED", "false"},
                              {"KEEPALIVE_TIME", "1m"},
                              {"KEEPALIVE_INTERVAL", "10s"},
                              {"KEEPALIVE_RETRIES", "127"},
                              {"USER_TIMEOUT_ENABLED", "true"},
                              {"AQUIFER_IDLE_TIMEOUT", "8h"},
                              {"AQUIFER_HALF_CLOSED_TIMEOUT", "off"}});
  CHECK_FALSE(config.keepalive.enabled);
  CHECK(config.keepalive.time == std::chrono::seconds(60));
  CHECK(config.keepalive.interval == std::chrono::seconds(10));
  CHECK(config.keepalive.probes == 127);
  CHECK(config.keepalive.user_timeout);
  CHECK(config.copy_limits.idle == std::chrono::hours(8));
  CHECK(config.copy_limits.half_closed == Clock::duration::zero());
}

TEST_CASE("how policies are told of and sandwiched applications are reached") {
  CHECK_FALSE(Load({}).policy_info_logging);
  CHECK(Load({}).localhost_app_tunnel);
  CHECK(Load({{"AUTHZ_POLICY_INFO_LOGGING", "true"}}).policy_info_logging);
  CHECK_FALSE(Load({{"LOCALHOST_APP_TUNNEL", "false"}}).localhost_app_tunnel);
}

TEST_CASE("a proxy that knows its own pod serves itself, unless it is one pod's") {
  app::Environment own = {{"POD_NAME", "a"}, {"POD_NAMESPACE", "b"}, {"SERVICE_ACCOUNT", "c"}};
  CHECK(Load(own).serves_itself());
  for (const char* const name : {"POD_NAME", "POD_NAMESPACE", "SERVICE_ACCOUNT"}) {
    app::Environment partly = own;
    partly.erase(name);
    CHECK_FALSE(Load(partly).serves_itself());
  }
  own["PROXY_MODE"] = "dedicated";
  own["PROXY_WORKLOAD_INFO"] = "b/a/c";
  CHECK_FALSE(Load(own).serves_itself());
}

TEST_CASE("a drain's own deadline goes before the grace period's") {
  const Config config = Load(
      {{"TERMINATION_GRACE_PERIOD_SECONDS", "30"}, {"CONNECTION_TERMINATION_DEADLINE", "100ms"}});
  CHECK(config.drain_deadline == milliseconds(100));
}

TEST_CASE("ports and logs") {
  const Config config = Load({{"AQUIFER_ADMIN_PORT", "1"},
                              {"AQUIFER_STATS_PORT", "2"},
                              {"AQUIFER_READY_PORT", "65535"},
                              {"LOG_FORMAT", "json"},
                              {"RUST_LOG", "warn,xds=debug"}});
  CHECK(config.admin_port == 1);
  CHECK(config.stats_port == 2);
  CHECK(config.ready_port == 65'535);
  CHECK(config.log_format == obs::LogFormat::kJson);
  CHECK(config.log_levels.ToString() == "warn,xds=debug");
}

TEST_CASE("the kernel is reached as it can be, or as the setting says") {
  CHECK(Load({}).io_backend == std::nullopt);
  CHECK(Load({{"AQUIFER_IO_BACKEND", "io_uring"}}).io_backend == BackendKind::kIoUring);
}

TEST_CASE("pods' DNS is served on loopback unless it is set otherwise") {
  const Config plain = Load({});
  CHECK(plain.dns);
  CHECK(plain.dns_addresses ==
        std::vector<Address>{{Ip::Loopback4(), 15053}, {Ip::Loopback6(), 15053}});
  CHECK_FALSE(Load({{"ISTIO_META_DNS_CAPTURE", "false"}}).dns);
  CHECK(Load({{"ISTIO_META_DNS_PROXY_ADDR", "localhost:53"}}).dns_addresses ==
        std::vector<Address>{{Ip::Loopback4(), 53}, {Ip::Loopback6(), 53}});
  CHECK(Load({{"ISTIO_META_DNS_PROXY_ADDR", "127.0.0.2:1053"}}).dns_addresses ==
        std::vector<Address>{{Ip::V4(127, 0, 0, 2), 1053}});
  for (const char* const wrong : {"localhost", "localhost:", "localhost:0", "host:53", "53"}) {
    INFO(wrong);
    const auto loaded = LoadConfig({{"XDS_ADDRESS", "h:1"}, {"ISTIO_META_DNS_PROXY_ADDR", wrong}});
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().field == "ISTIO_META_DNS_PROXY_ADDR");
  }
  CHECK(Load({{"PREFERED_SERVICE_NAMESPACE", "shared"}}).preferred_namespace == "shared");
}

TEST_CASE("revocation lists are looked at where they are") {
  CHECK(Load({}).crl_path.empty());
  CHECK(Load({{"CRL_PATH", "/etc/crl/ca-crl.pem"}}).crl_path == "/etc/crl/ca-crl.pem");
}

TEST_CASE("what is set for Istio's node proxy and means nothing here is told") {
  const auto loaded = LoadConfig({{"INPOD_ENABLED", "true"},
                                  {"PROXY_CONFIG", "x"},
                                  {"ZTUNNEL_CPU_LIMIT", "2"},
                                  {"ZTUNNEL_RESOURCE_CPU_LIMIT", "2"},
                                  {"ZTUNNEL_RESOURCE_CPU_REQUEST", "2"}});
  REQUIRE(loaded.ok());
  CHECK(loaded->notes.ignored.size() == 5);
  CHECK(loaded->notes.misspelt.empty());
}

TEST_CASE("only what could be a misspelt setting is called one") {
  const auto loaded = LoadConfig({{"AQUIFER_BUILD", "build/release"},
                                  {"AQUIFER_ASAN_BUILD", "build/asan"},
                                  {"AQUIFER_ZTUNNEL", "/ztunnel"},
                                  {"ZTUNNEL_SERVICE_HOST", "10.96.0.9"},
                                  {"ISTIO_META_CLUSTER_IDS", "x"},
                                  {"XDS_HEADER_NETWORKS", "x"},
                                  {"HOSTNAME", "node-a"},
                                  {"XDS_ADRESS", "x:1"}});
  REQUIRE(loaded.ok());
  REQUIRE(loaded->notes.misspelt.size() == 1);
  CHECK(loaded->notes.misspelt[0].name == "XDS_ADRESS");
  CHECK(loaded->notes.misspelt[0].meant == "XDS_ADDRESS");
}

TEST_CASE("discovery on demand goes without the DNS proxy only") {
  CHECK(Load({{"XDS_ON_DEMAND", "true"}, {"ISTIO_META_DNS_CAPTURE", "false"}}).on_demand);
  CHECK_FALSE(Load({{"XDS_ON_DEMAND", "false"}}).on_demand);
  CHECK(Refused({{"XDS_ON_DEMAND", "true"}}).starts_with("XDS_ON_DEMAND: "));
  CHECK(Refused({{"XDS_ON_DEMAND", "true"}, {"ISTIO_META_DNS_CAPTURE", "true"}})
            .starts_with("XDS_ON_DEMAND: "));
}

TEST_CASE("metadata that is JSON is kept apart from what is text") {
  const Config config =
      Load({{"ISTIO_METAJSON_LABELS", "{\"app\":\"web\"}"}, {"ISTIO_META_MESH_ID", "m"}});
  CHECK(config.node_metadata_json ==
        std::map<std::string, std::string>{{"LABELS", "{\"app\":\"web\"}"}});
  CHECK_FALSE(config.node_metadata.contains("LABELS"));
}

}  // namespace aquifer::node
