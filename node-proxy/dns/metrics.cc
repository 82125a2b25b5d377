#include "node-proxy/dns/metrics.h"

#include "node-proxy/dns/message.h"

namespace aquifer::node::dns {
namespace {

std::string_view Word(Protocol protocol) { return protocol == Protocol::kUdp ? "udp" : "tcp"; }

}  // namespace

DnsMetrics::DnsMetrics(obs::Registry& registry)
    : requests_(registry.AddCounter({.name = "istio_dns_requests",
                                     .help = "DNS questions of pods (unstable)",
                                     .expires = true})),
      forwarded_(registry.AddCounter({.name = "istio_dns_upstream_requests",
                                      .help = "DNS questions passed on to a name server (unstable)",
                                      .expires = true})),
      failures_(
          registry.AddCounter({.name = "istio_dns_upstream_failures",
                               .help = "DNS questions that no name server answered (unstable)",
                               .expires = true})),
      durations_(registry.AddHistogram(
          {.name = "istio_dns_upstream_request_duration_seconds",
           .help = "Time until a name server had answered a DNS question (unstable)",
           .unit = "seconds",
           .expires = true},
          {.0005, .001, .01, .1, 1, 5})) {}

void PodCounters::Request(const mesh::Workload* client, std::uint16_t type, Protocol protocol) {
  Find(client, type, protocol).requests->Add();
}

void PodCounters::Forwarded(const mesh::Workload& client, std::uint16_t type, Protocol protocol,
                            Clock::duration took, bool answered) {
  Row& row = Find(&client, type, protocol);
  const Labels labels = LabelsOf(type, protocol);
  if (!row.forwarded) {
    row.forwarded = metrics_.forwarded_.With(labels);
    row.durations = metrics_.durations_.With(labels);
  }
  row.forwarded->Add();
  row.durations->Observe(std::chrono::duration<double>(took).count());
  if (answered) return;
  if (!row.failures) row.failures = metrics_.failures_.With(labels);
  row.failures->Add();
}

PodCounters::Labels PodCounters::LabelsOf(std::uint16_t type, Protocol protocol) const {
  return {{{"request_query_type", TypeWord(type)},
           {"request_protocol", Word(protocol)},
           {"source_canonical_service", service_},
           {"source_canonical_revision", revision_}}};
}

PodCounters::Row& PodCounters::Find(const mesh::Workload* client, std::uint16_t type,
                                    Protocol protocol) {
  const auto known = [](const mesh::Text* text) {
    return text == nullptr || text->empty() ? std::string_view("unknown") : text->view();
  };
  const std::string_view service = known(client == nullptr ? nullptr : &client->canonical_name);
  const std::string_view revision =
      known(client == nullptr ? nullptr : &client->canonical_revision);
  if (service != service_ || revision != revision_) {
    service_ = service;
    revision_ = revision;
    rows_.clear();
  }
  std::string key(TypeWord(type));
  key += protocol == Protocol::kUdp ? 'u' : 't';
  Row& row = rows_[key];
  if (!row.requests) row.requests = metrics_.requests_.With(LabelsOf(type, protocol));
  return row;
}

}  // namespace aquifer::node::dns
