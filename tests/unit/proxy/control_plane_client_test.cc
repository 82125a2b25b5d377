#include "proxy/control_plane_client.h"

#include <sys/mman.h>
#include <unistd.h>

#include "core/rt/timer.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/support.h"

namespace aquifer::proxy {
namespace {

CommonSettings Example() {
  CommonSettings settings;
  settings.instance_ip = "10.0.0.9";
  settings.pod_name = "proxy-1";
  settings.pod_namespace = "mesh";
  settings.node_name = "node-a";
  return settings;
}

Metadata MetadataOf(const envoy::config::core::v3::Node& node) {
  Metadata metadata;
  for (const auto& [name, value] : node.metadata().fields()) metadata[name] = value.string_value();
  return metadata;
}

// The first answer is a certificate whose life is nearly over; there is no second.
class OnceAuthority final : public certs::Authority {
 public:
  Task<Result<certs::CertificateBundle, certs::Failure>> Fetch(certs::Identity identity,
                                                               StopToken) override {
    if (std::exchange(asked_, true))
      co_return certs::Failure{Error{Reason::kConnectRefused}, "nobody there"};
    certs::test::RawLeaf leaf;
    leaf.names.uris.push_back(identity.ToString());
    leaf.not_before = certs::SystemWallTime() - std::chrono::hours(100);
    leaf.not_after = certs::SystemWallTime() + std::chrono::hours(1);
    co_return certs::test::SharedCa().Raw(leaf);
  }

 private:
  bool asked_ = false;
};

struct Lines {
  Lines() : fd(::memfd_create("log", 0)), logger(Options(fd.get())) {}
  static obs::LoggerOptions Options(int fd) {
    obs::LoggerOptions options;
    options.writer.fd = fd;
    return options;
  }
  std::string Text() {
    CHECK(logger.Flush(std::chrono::seconds(5)));
    std::string text(static_cast<std::size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
    CHECK(::pread(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return text;
  }
  UniqueFd fd;
  obs::Logger logger;
};

Task<void> AlarmsBeforeExpiry() {
  const CommonSettings settings = Example();
  Lines lines;
  obs::Registry registry;
  ControlPlaneClient client(settings, lines.logger, registry);
  client.MakeStore(std::make_unique<OnceAuthority>());
  StopSource stop;
  Scope tasks;
  client.ServeCertificates(tasks, stop.token());
  client.store().Request({"cluster.local", "shop", "web"}, certs::Urgency::kPrefetch);
  const auto has = [&registry](const std::string& line) {
    return registry.Text().find("\n" + line) != std::string::npos;
  };
  CHECK(has("aquifer_certificates_initializing 1\n"));
  CHECK(has("aquifer_certificates_soonest_expiry_timestamp_seconds 0\n"));
  std::ignore = co_await SleepFor(std::chrono::milliseconds(1500), StopToken());
  CHECK(has("aquifer_certificates_available 1\n"));
  CHECK(has("aquifer_certificate_fetch_failures_total{reason=\"connect_refused\"} 1\n"));
  const auto expiry = client.store().Count().soonest_expiry;
  REQUIRE(expiry.has_value());
  CHECK(has("aquifer_certificates_soonest_expiry_timestamp_seconds " +
            std::to_string(expiry->time_since_epoch().count()) + "\n"));
  const std::string log = lines.Text();
  CHECK(log.find("\terror\t") != std::string::npos);
  CHECK(log.find("about to expire") != std::string::npos);
  CHECK(log.find("older_one_kept=true") != std::string::npos);
  stop.RequestStop();
  co_await tasks.Join();
  co_await client.Shutdown();
}

}  // namespace

TEST_CASE("a certificate that is about to expire and cannot be renewed raises an alarm") {
  aquifer::test::RunVirtual(AlarmsBeforeExpiry());
}

TEST_CASE("the node's id has the four parts that istiod takes apart") {
  CommonSettings settings = Example();
  CHECK(NodeOf(settings, "ztunnel", {}).id() ==
        "ztunnel~10.0.0.9~proxy-1.mesh~mesh.svc.cluster.local");
  settings.cluster_domain = "example.local";
  CHECK(NodeOf(settings, "waypoint", {}).id() ==
        "waypoint~10.0.0.9~proxy-1.mesh~mesh.svc.example.local");
}

TEST_CASE("the node's metadata is who we are and what our kind adds") {
  const Metadata metadata =
      MetadataOf(NodeOf(Example(), "waypoint", {{"GATEWAY_NAME", "way"}, {"NAME", "forged"}}));
  CHECK(metadata == Metadata{{"GATEWAY_NAME", "way"},
                             {"INSTANCE_IPS", "10.0.0.9"},
                             {"NAME", "proxy-1"},
                             {"NAMESPACE", "mesh"},
                             {"NODE_NAME", "node-a"}});
}

TEST_CASE("a node without a name does not say one") {
  CommonSettings settings = Example();
  settings.node_name.clear();
  CHECK_FALSE(MetadataOf(NodeOf(settings, "ztunnel", {})).contains("NODE_NAME"));
}

TEST_CASE("metadata that is JSON is sent as what it says, and takes no name of ours") {
  const auto node =
      NodeOf(Example(), "ztunnel", {},
             {{"LABELS", R"({"app": "web"})"}, {"NAME", R"("forged")"}, {"BAD", "{"}});
  const auto& fields = node.metadata().fields();
  REQUIRE(fields.contains("LABELS"));
  CHECK(fields.at("LABELS").struct_value().fields().at("app").string_value() == "web");
  CHECK(fields.at("NAME").string_value() == "proxy-1");
  CHECK_FALSE(fields.contains("BAD"));
}

}  // namespace aquifer::proxy
