#include "node-proxy/dns/resolver.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace aquifer::node::dns {
namespace {

// A name is looked up under each of its parents: this many labels bound the work of a hostile one.
constexpr std::size_t kMostLabels = 40;

std::size_t Labels(std::string_view name) {
  return static_cast<std::size_t>(std::count(name.begin(), name.end(), '.')) + 1;
}

bool HasSuffix(std::string_view name, std::string_view domain) {
  return name.size() > domain.size() + 1 && name.ends_with(domain) &&
         name[name.size() - domain.size() - 1] == '.';
}

std::string Joined(std::string_view name, std::string_view domain) {
  std::string joined(name);
  joined += '.';
  joined += domain;
  return joined;
}

// The names under which the candidates of one client are made.
struct Domains {
  Domains(std::string_view client_namespace, const ResolverOptions& options)
      : cluster(options.cluster_domain),
        services(Joined("svc", cluster)),
        own(Joined(client_namespace, services)),
        pod_labels(4 + Labels(cluster)) {}

  const std::string& cluster;
  std::string services;
  std::string own;         // of the client's namespace
  std::size_t pod_labels;  // of <pod>.<service>.<namespace>.svc.<cluster>
};

class CandidateList {
 public:
  explicit CandidateList(const Domains& domains) : domains_(domains) {}

  void Add(std::string name, std::string_view stripped, bool pod) {
    for (const Candidate& known : list_) {
      if (known.name == name) return;
    }
    list_.push_back({std::move(name), std::string(stripped), pod});
  }
  // What Kubernetes would make of `name`, which may be short of some of its last labels.
  void AddExpansions(std::string_view name, std::string_view stripped) {
    switch (Labels(name)) {
      case 1:
        Add(Joined(name, domains_.own), stripped, false);
        break;
      case 2:
        Add(Joined(name, domains_.services), stripped, false);
        Add(Joined(name, domains_.own), stripped, true);
        break;
      case 3:
        if (HasSuffix(name, "svc")) Add(Joined(name, domains_.cluster), stripped, false);
        Add(Joined(name, domains_.services), stripped, true);
        break;
      case 4:
        if (HasSuffix(name, "svc")) Add(Joined(name, domains_.cluster), stripped, true);
        break;
      default:
        break;
    }
  }
  std::vector<Candidate> Take() { return std::move(list_); }

 private:
  const Domains& domains_;
  std::vector<Candidate> list_;
};

bool IsHeadless(const mesh::Service& service, std::string_view services_domain) {
  return service.vips.empty() && service.cidr_vips.empty() &&
         HasSuffix(service.hostname, services_domain);
}

bool Fits(const Ip& ip, Family family) { return ip.is_v4() == (family == Family::kV4); }

class Search {
 public:
  Search(const mesh::Snapshot& snapshot, const mesh::Workload& client, Family family,
         const ResolverOptions& options)
      : snapshot_(snapshot),
        client_(client),
        family_(family),
        options_(options),
        domains_(client.ns, options) {}

  std::optional<Answer> Find(std::string_view name) const {
    for (const Candidate& candidate : CandidatesFor(name, client_.ns, options_)) {
      if (std::optional<Answer> found = Try(candidate)) {
        SetZone(*found, name);
        return found;
      }
    }
    return std::nullopt;
  }

 private:
  std::optional<Answer> Try(const Candidate& candidate) const {
    if (const mesh::ServiceRef service = Best(candidate.name))
      return Answer{AddressesOf(*service), candidate.stripped, {}};
    // "*.b.c" for "a.b.c", then "*.c". What matches so goes by the name that was asked for.
    std::string parent = candidate.name;
    for (std::size_t dot = parent.find('.'); dot != std::string::npos && dot > 0;
         dot = parent.find('.', dot + 1)) {
      parent[dot - 1] = '*';
      if (const mesh::ServiceRef service = Best(std::string_view(parent).substr(dot - 1)))
        return Answer{AddressesOf(*service), {}, {}};
    }
    if (candidate.pod) return TryPod(candidate);
    return std::nullopt;
  }

  // Those without an address, headless ones of Kubernetes apart, are for a name server to resolve.
  mesh::ServiceRef Best(std::string_view hostname) const {
    mesh::ServiceRef best;
    std::tuple<bool, bool, bool> best_rank;
    for (mesh::ServiceRef& service : snapshot_.ServicesNamed(hostname)) {
      if (!service->VisibleTo(client_.ns)) continue;
      if (service->vips.empty() && !IsHeadless(*service, domains_.services)) continue;
      const std::tuple rank(
          service->ns == client_.ns, service->canonical,
          !options_.preferred_namespace.empty() && service->ns == options_.preferred_namespace);
      if (best != nullptr && rank <= best_rank) continue;
      best = std::move(service);
      best_rank = rank;
    }
    return best;
  }

  std::vector<Ip> AddressesOf(const mesh::Service& service) const {
    std::vector<Ip> addresses;
    if (!Served(service)) return addresses;
    if (!service.vips.empty()) {
      for (const mesh::NetworkAddress& vip : service.vips) {
        if (vip.network == client_.network && Fits(vip.ip, family_)) addresses.push_back(vip.ip);
      }
      return addresses;
    }
    const mesh::EndpointsRef endpoints = snapshot_.EndpointsOf(service);
    for (const mesh::Endpoint& endpoint : endpoints->all())
      AddFirst(addresses, *endpoint.workload, 1);
    return addresses;
  }

  // The name of a pod that a headless service has among its endpoints.
  std::optional<Answer> TryPod(const Candidate& candidate) const {
    const std::size_t dot = candidate.name.find('.');
    if (dot == std::string::npos) return std::nullopt;
    const std::string_view pod = std::string_view(candidate.name).substr(0, dot);
    const mesh::ServiceRef service = Best(std::string_view(candidate.name).substr(dot + 1));
    if (service == nullptr || !IsHeadless(*service, domains_.services)) return std::nullopt;
    const mesh::EndpointsRef endpoints = snapshot_.EndpointsOf(*service);
    const mesh::Workload* best = nullptr;
    for (const mesh::Endpoint& endpoint : endpoints->all()) {
      const mesh::Workload& workload = *endpoint.workload;
      if (workload.name != pod) continue;
      // Clusters may have pods of one name: one's own goes first.
      if (best == nullptr ||
          (best->cluster_id != client_.cluster_id && workload.cluster_id == client_.cluster_id)) {
        best = &workload;
      }
    }
    if (best == nullptr) return std::nullopt;
    Answer answer{{}, candidate.stripped, {}};
    if (Served(*service)) AddFirst(answer.addresses, *best, best->addresses.size());
    return answer;
  }

  // A pod may have addresses of a family that its service has not.
  bool Served(const mesh::Service& service) const {
    if (family_ == Family::kV6)
      return options_.ipv6 && service.ip_families != mesh::IpFamilies::kIpv4;
    return service.ip_families != mesh::IpFamilies::kIpv6;
  }

  void AddFirst(std::vector<Ip>& addresses, const mesh::Workload& workload,
                std::size_t most) const {
    for (const Ip& ip : workload.addresses) {
      if (most == 0) return;
      if (!Fits(ip, family_)) continue;
      addresses.push_back(ip);
      --most;
    }
  }

  void SetZone(Answer& answer, std::string_view name) const {
    const std::string_view owner = answer.alias.empty() ? name : std::string_view(answer.alias);
    answer.zone = HasSuffix(owner, domains_.cluster) ? domains_.cluster : std::string(owner);
    // That there is nothing is said of the name that was asked for.
    if (answer.addresses.empty()) {
      answer.alias.clear();
      answer.zone = HasSuffix(name, domains_.cluster) ? domains_.cluster : std::string(name);
    }
  }

  const mesh::Snapshot& snapshot_;
  const mesh::Workload& client_;
  const Family family_;
  const ResolverOptions& options_;
  const Domains domains_;
};

}  // namespace

std::vector<Candidate> CandidatesFor(std::string_view name, std::string_view client_namespace,
                                     const ResolverOptions& options) {
  // The root, and names with bytes that no host of the mesh has.
  if (name.empty() || name.find('\\') != std::string_view::npos || Labels(name) > kMostLabels)
    return {};
  const Domains domains(client_namespace, options);
  CandidateList list(domains);
  list.Add(std::string(name), {}, Labels(name) == domains.pod_labels);
  list.AddExpansions(name, {});
  const auto strip = [&](std::string_view domain) {
    if (domain.empty() || !HasSuffix(name, domain)) return;
    const std::string_view stripped = name.substr(0, name.size() - domain.size() - 1);
    list.Add(std::string(stripped), stripped, Labels(stripped) == domains.pod_labels);
    list.AddExpansions(stripped, stripped);
  };
  if (options.search.empty()) {
    strip(domains.own);
    strip(domains.services);
    strip(domains.cluster);
  } else {
    for (const std::string& domain : options.search) strip(domain);
  }
  return list.Take();
}

std::optional<Answer> Lookup(const mesh::Snapshot& snapshot, const mesh::Workload& client,
                             std::string_view name, Family family, const ResolverOptions& options,
                             const mesh::Random& random) {
  std::optional<Answer> answer = Search(snapshot, client, family, options).Find(name);
  if (!answer) return answer;
  std::vector<Ip>& addresses = answer->addresses;
  for (std::size_t left = addresses.size(); left > 1; --left)
    std::swap(addresses[left - 1], addresses[random() % left]);
  return answer;
}

}  // namespace aquifer::node::dns
