#include "cli/why/question.h"

#include <algorithm>

#include "core/http/header.h"
#include "kube/names.h"

namespace aquifer::cli {
namespace {

constexpr size_t kMaxWord = 512;
constexpr size_t kMaxPath = 8192;

Refusal Bad(std::string_view word, std::string why) { return {std::string(word), std::move(why)}; }

// "NAMESPACE/NAME" or "NAME".
Decoded<Party> ReadName(std::string_view text, std::string_view word, std::string_view own,
                        Party::Kind kind) {
  const size_t slash = text.find('/');
  Party party{.kind = kind};
  party.name_space = slash == std::string_view::npos ? own : text.substr(0, slash);
  party.name = slash == std::string_view::npos ? text : text.substr(slash + 1);
  if (!kube::IsDnsLabel(party.name_space)) return Bad(word, "has no usable namespace");
  if (!kube::IsDnsSubdomain(party.name)) return Bad(word, "is no name of an object");
  return party;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return lower;
}

std::string NameOf(const mesh::Workload& workload) { return workload.ns + "/" + workload.name; }

// A pod that has an address, or one of those that belong to an owner of that name.
mesh::WorkloadRef FindPod(const Model& model, const Party& party) {
  mesh::WorkloadRef found;
  model.snapshot().ForEachWorkload([&](const mesh::WorkloadRef& each) {
    if (each->ns != party.name_space) return;
    const bool exact = each->name == party.name;
    if (!exact && each->workload_name != party.name) return;
    const bool better = found == nullptr || (exact && found->name != party.name) ||
                        (!exact && found->name != party.name && each->uid < found->uid);
    if (better) found = each;
  });
  return found;
}

Refusal NoPod(const Model& model, const Party& party) {
  const std::string name = party.name_space + "/" + party.name;
  const control::Pod* const pod =
      control::FindObject(model.objects().pods, party.name_space, party.name);
  if (pod == nullptr) return Bad(name, "there is no such pod, and nothing of that name owns one");
  return Bad(name, pod->ips.empty() ? "this pod has no address yet" : "this pod has ended");
}

Source SourceOf(const Model& model, const mesh::WorkloadRef& workload) {
  Source source;
  source.workload = workload;
  source.pod = model.PodOf(*workload);
  if (!workload->addresses.empty()) source.ip = workload->addresses[0];
  source.captured = source.pod != nullptr && model.index().IsCaptured(*source.pod);
  source.title = (source.pod != nullptr ? "pod " : "workload ") + NameOf(*workload);
  return source;
}

// Any pod of the account will do; without one, a pod of the mesh is imagined.
Source SourceOfAccount(const Model& model, const Party& party) {
  mesh::WorkloadRef found;
  const auto captured = [&model](const mesh::WorkloadRef& each) {
    const control::Pod* const pod = model.PodOf(*each);
    return pod != nullptr && model.index().IsCaptured(*pod);
  };
  model.snapshot().ForEachWorkload([&](const mesh::WorkloadRef& each) {
    if (each->ns != party.name_space || each->service_account != party.name) return;
    const bool better = found == nullptr || captured(each) > captured(found) ||
                        (captured(each) == captured(found) && each->uid < found->uid);
    if (better) found = each;
  });
  if (found != nullptr) {
    Source source = SourceOf(model, found);
    source.facts.push_back("stands for all pods of service account " + party.name_space + "/" +
                           party.name);
    return source;
  }
  mesh::Workload imagined;
  imagined.name = "(any)";
  imagined.ns = party.name_space;
  imagined.service_account = party.name;
  imagined.trust_domain = model.settings().trust_domain;
  imagined.network = model.settings().network;
  imagined.cluster_id = model.settings().cluster_id;
  imagined.protocol = mesh::TunnelProtocol::kHbone;
  Source source;
  source.workload = std::make_shared<const mesh::Workload>(std::move(imagined));
  source.captured = true;
  source.title = "service account " + party.name_space + "/" + party.name;
  source.facts.push_back(
      "no pod runs as it: a captured one is imagined, without an address; rules about source "
      "addresses see 0.0.0.0");
  return source;
}

Source SourceAt(const Model& model, const Ip& ip) {
  const mesh::WorkloadRef known = model.snapshot().FindWorkloadAt({model.settings().network, ip});
  if (known != nullptr) {
    Source source = SourceOf(model, known);
    source.ip = ip;
    return source;
  }
  mesh::Workload stranger;
  stranger.name = ip.ToString();
  stranger.network = model.settings().network;
  stranger.cluster_id = model.settings().cluster_id;
  stranger.addresses = {ip};
  Source source;
  source.workload = std::make_shared<const mesh::Workload>(std::move(stranger));
  source.ip = ip;
  source.title = "address " + ip.ToString();
  source.facts.push_back("belongs to no pod: a machine, or somebody outside of the cluster");
  return source;
}

// The first address of each family that the service has in our network, the older family first.
std::optional<Ip> AddressOf(const mesh::Service& service, const std::string& network) {
  std::optional<Ip> best;
  for (const mesh::NetworkAddress& vip : service.vips) {
    if (vip.network == network && (!best || (best->is_v6() && vip.ip.is_v4()))) best = vip.ip;
  }
  return best;
}

std::string PortsOf(const mesh::Service& service) {
  std::string text;
  for (const mesh::Port& port : service.ports)
    text += (text.empty() ? "" : ", ") + std::to_string(port.service_port);
  return text.empty() ? "no TCP port" : text;
}

Decoded<Target> TargetOf(const Model& model, const mesh::ServiceRef& service, std::uint16_t port) {
  Target target;
  target.service = service;
  target.title = "Service " + std::string(service->ns) + "/" + std::string(service->name);
  target.host = service->hostname;
  if (const std::optional<Ip> vip = AddressOf(*service, model.settings().network)) {
    if (mesh::FindPort(service->ports, port) == nullptr)
      return Bad(target.title, "has no port " + std::to_string(port) + ": " + PortsOf(*service));
    target.addresses.push_back({*vip, port});
    return target;
  }
  // Its name leads to its pods' own addresses, and the port is the pods'.
  for (const mesh::Endpoint& endpoint : model.snapshot().EndpointsOf(*service)->all()) {
    for (const Ip& ip : endpoint.workload->addresses) target.addresses.push_back({ip, port});
  }
  if (target.addresses.empty())
    return Bad(target.title, "has neither an address of its own nor an endpoint that is ready");
  std::sort(target.addresses.begin(), target.addresses.end());
  return target;
}

Target TargetOf(const mesh::WorkloadRef& workload, std::uint16_t port) {
  Target target;
  target.workload = workload;
  target.title = "pod " + NameOf(*workload);
  if (!workload->addresses.empty()) {
    target.addresses.push_back({workload->addresses[0], port});
    target.host = workload->addresses[0].ToString();
  }
  return target;
}

mesh::ServiceRef FindService(const Model& model, const Party& party) {
  const control::Service* const service =
      control::FindObject(model.objects().services, party.name_space, party.name);
  if (service == nullptr) return nullptr;
  return model.snapshot().FindService({party.name_space, model.index().HostnameOf(*service)});
}

// "reviews.shop", "reviews.shop.svc" or with the cluster's domain behind that.
std::optional<Party> AsServiceName(const Model& model, const std::string& host) {
  const size_t dot = host.find('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string rest = host.substr(dot + 1);
  const size_t end = std::min(rest.find('.'), rest.size());
  const std::string tail = rest.substr(end);
  if (!tail.empty() && tail != ".svc" && tail != ".svc." + model.settings().cluster_domain)
    return std::nullopt;
  return Party{.name_space = rest.substr(0, end), .name = host.substr(0, dot)};
}

Decoded<Target> FindHost(const Model& model, const std::string& host, std::uint16_t port,
                         const mesh::Workload& client) {
  if (const std::optional<Party> party = AsServiceName(model, host)) {
    if (const mesh::ServiceRef service = FindService(model, *party))
      return TargetOf(model, service, port);
  }
  const mesh::ServiceRef service =
      model.snapshot().BestServiceNamed(host, mesh::ClientNamespace(client.ns.view()));
  if (service != nullptr) return TargetOf(model, service, port);
  return Bad(host, "there is no service of that name");
}

}  // namespace

Decoded<Party> ReadFrom(std::string_view word, std::string_view own) {
  if (word.empty() || word.size() > kMaxWord) return Bad(word, "is no source");
  if (const std::optional<Ip> ip = Ip::Parse(word))
    return Party{.kind = Party::Kind::kAddress, .ip = *ip};
  if (word.starts_with("sa/")) return ReadName(word.substr(3), word, own, Party::Kind::kAccount);
  const std::string_view name = word.starts_with("pod/") ? word.substr(4) : word;
  return ReadName(name, word, own, Party::Kind::kPod);
}

Decoded<std::pair<Party, std::uint16_t>> ReadTo(std::string_view word, std::string_view own) {
  if (word.size() > kMaxWord) return Bad(word.substr(0, kMaxWord), "is too long");
  const size_t colon = word.rfind(':');
  const std::optional<std::uint16_t> port =
      colon == std::string_view::npos ? std::nullopt : ParsePort(word.substr(colon + 1));
  if (!port || *port == 0) return Bad(word, "needs a port behind a colon, such as shop/web:80");
  const std::string_view text = word.substr(0, colon);
  if (const std::optional<Address> address = Address::Parse(word))
    return std::pair(Party{.kind = Party::Kind::kAddress, .ip = address->ip}, *port);
  if (text.starts_with("pod/")) {
    AQ_TRY(Party pod, ReadName(text.substr(4), word, own, Party::Kind::kPod));
    return std::pair(std::move(pod), *port);
  }
  if (text.find('/') == std::string_view::npos && text.find('.') != std::string_view::npos) {
    Party host{.kind = Party::Kind::kHost, .name = LowerCase(text)};
    if (!kube::IsDnsSubdomain(host.name)) return Bad(word, "is no host name");
    return std::pair(std::move(host), *port);
  }
  AQ_TRY(Party named, ReadName(text, word, own, Party::Kind::kNamed));
  return std::pair(std::move(named), *port);
}

Decoded<AskedRequest> ReadRequest(std::string_view method, std::string_view path,
                                  std::string_view host, const std::vector<std::string>& headers) {
  AskedRequest request;
  if (!http::IsToken(method)) return Bad(method, "is no method");
  if (!path.starts_with('/') || path.size() > kMaxPath || !http::IsFieldValue(path))
    return Bad(path, "is no path: it starts with /");
  if (!http::IsFieldValue(host) || host.size() > kMaxWord) return Bad("--host", "is no host");
  request.method = method;
  request.path = path;
  request.host = host;
  for (const std::string& header : headers) {
    const size_t colon = header.find(':');
    if (colon == std::string::npos) return Bad("--header", "needs NAME: VALUE");
    std::string name = LowerCase(header.substr(0, colon));
    const size_t value = std::min(header.find_first_not_of(' ', colon + 1), header.size());
    if (!http::IsToken(name) || !http::IsFieldValue(header.substr(value)))
      return Bad("--header", "is no header: " + header);
    request.headers.emplace_back(std::move(name), header.substr(value));
  }
  return request;
}

Decoded<Source> FindSource(const Model& model, const Party& party) {
  if (party.kind == Party::Kind::kAddress) return SourceAt(model, party.ip);
  if (party.kind == Party::Kind::kAccount) return SourceOfAccount(model, party);
  const mesh::WorkloadRef pod = FindPod(model, party);
  if (pod == nullptr) return NoPod(model, party);
  Source source = SourceOf(model, pod);
  if (pod->name != party.name)
    source.facts.push_back("stands for all pods of " + party.name_space + "/" + party.name);
  return source;
}

Decoded<Target> FindTarget(const Model& model, const Question& question,
                           const mesh::Workload& client) {
  const Party& party = question.to;
  if (party.kind == Party::Kind::kHost) return FindHost(model, party.name, question.port, client);
  if (party.kind == Party::Kind::kAddress) {
    Target target;
    target.addresses.push_back({party.ip, question.port});
    target.title = "address " + party.ip.ToString();
    target.host = party.ip.ToString();
    return target;
  }
  if (party.kind == Party::Kind::kNamed) {
    if (const mesh::ServiceRef service = FindService(model, party))
      return TargetOf(model, service, question.port);
  }
  const mesh::WorkloadRef pod = FindPod(model, party);
  if (pod != nullptr && !pod->addresses.empty()) return TargetOf(pod, question.port);
  const std::string name = party.name_space + "/" + party.name;
  if (party.kind == Party::Kind::kNamed)
    return Bad(name, "there is neither a Service nor a pod of that name");
  return NoPod(model, party);
}

}  // namespace aquifer::cli
