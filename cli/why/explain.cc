#include "cli/why/explain.h"

#include <algorithm>
#include <utility>

#include "cli/why/judged.h"
#include "cli/why/waypoint_visit.h"
#include "core/base/reason.h"
#include "mesh/classify.h"
#include "mesh/upstream.h"

namespace aquifer::cli {
namespace {

// One way to the end, or as far as it gets.
struct Way {
  std::vector<Hop> hops;
  Judged last;                // its hop is in `hops`
  std::optional<Decider> by;  // of the last policy that had something to say
};

std::string NameOf(const mesh::Workload& workload) { return workload.ns + "/" + workload.name; }

std::string Place(const mesh::GatewayAddress& waypoint) {
  if (const auto* host = std::get_if<mesh::NamespacedHostname>(&waypoint.destination))
    return host->hostname;
  return std::get<mesh::NetworkAddress>(waypoint.destination).ip.ToString();
}

bool SameEnd(const Way& a, const Way& b) {
  if (a.last.outcome != b.last.outcome || a.by.has_value() != b.by.has_value()) return false;
  return !a.by ||
         (a.by->kind == b.by->kind && a.by->name == b.by->name && a.by->rule == b.by->rule);
}

class Replay {
 public:
  Replay(const Model& model, const Question& question) : model_(model), question_(question) {}

  Decoded<Explanation> Run() {
    AQ_TRY(source_, FindSource(model_, question_.from));
    AQ_TRY(target_, FindTarget(model_, question_, *source_.workload));
    if (source_.captured) identity_ = source_.workload->identity();
    const control::BoundGateway* const gateway =
        source_.pod == nullptr ? nullptr : model_.GatewayOf(*source_.pod);
    for (const Address& address : target_.addresses) {
      if (ways_.size() >= kMaxEndpoints) break;
      if (gateway != nullptr && target_.service != nullptr) {
        FromGateway(*gateway, address);
      } else if (source_.captured) {
        ThroughNodeProxy(address);
      } else {
        InTheClear(address);
      }
    }
    return Summary();
  }

 private:
  const mesh::Snapshot& snapshot() const { return model_.snapshot(); }

  // --- ends of ways ---

  void Add(std::vector<Hop> hops, Judged judged, std::optional<Decider> before = std::nullopt) {
    Way way;
    way.by = judged.by;
    // What the waypoint allowed counts where the destination has nothing to add.
    if (!way.by && before && judged.outcome == Outcome::kAllowed) {
      way.by = std::move(before);
      judged.because = "it allows this at the waypoint, and " + judged.because;
    }
    hops.push_back(judged.hop);
    way.hops = std::move(hops);
    way.last = std::move(judged);
    ways_.push_back(std::move(way));
  }

  Hop SourceHop(const Address& address) const {
    Hop hop;
    hop.place = source_.title;
    if (source_.captured) {
      hop.place = "node proxy of " +
                  std::string(source_.workload->node.empty() ? std::string_view("its node")
                                                             : source_.workload->node.view()) +
                  ", at the source, " + source_.title;
    }
    hop.facts = source_.facts;
    if (source_.captured) {
      hop.facts.push_back("captured, identity " + identity_->ToString());
    } else if (source_.pod != nullptr) {
      hop.facts.push_back("not captured: it goes in the clear and has no identity");
    }
    hop.facts.push_back("dials " + address.ToString() + " for " + target_.title);
    if (target_.service != nullptr && target_.service->vips.empty())
      hop.facts.push_back("the Service has no address: clients dial its pods, on the pods' ports");
    return hop;
  }

  // --- a captured pod ---

  void ThroughNodeProxy(const Address& address) {
    mesh::ClassifyOptions options;
    options.network = model_.settings().network;
    std::vector<std::string> tried;
    while (ways_.size() < kMaxEndpoints) {
      const Result<mesh::Route> route =
          mesh::Classify(snapshot(), *source_.workload, address, options, first_, tried);
      if (!route) {
        if (tried.empty()) Unroutable(address, route.error());
        return;
      }
      const std::string uid = route->dialled == nullptr ? "" : std::string(route->dialled->uid);
      if (std::find(tried.begin(), tried.end(), uid) != tried.end()) return;
      Follow(address, *route);
      // Any pod of a waypoint decides as any other.
      if (uid.empty() || route->to_waypoint) return;
      tried.push_back(uid);
    }
  }

  void Unroutable(const Address& address, const Error& error) {
    Hop hop = SourceHop(address);
    std::string because = Describe(error);
    std::optional<Decider> by;
    const mesh::ServiceRef service = ServiceAt(address);
    if (error.reason == Reason::kUnknownWaypoint && service != nullptr && service->waypoint) {
      because = "its waypoint " + Place(*service->waypoint) +
                " cannot be had, and nothing goes around a waypoint";
      const control::Service* object =
          control::FindObject(model_.objects().services, service->ns, service->name);
      const control::Condition* bound =
          object == nullptr
              ? nullptr
              : model_.ConditionOf(control::Kind::kService, object->meta, control::kWaypointBound);
      if (bound != nullptr && !bound->message.empty()) because += ": " + bound->message;
      by = Decider{"Service", std::string(service->ns) + "/" + std::string(service->name), {}};
    }
    Add({}, End(std::move(hop), Outcome::kUnreachable, std::move(because), by));
  }

  void Follow(const Address& address, const mesh::Route& route) {
    Hop hop = SourceHop(address);
    if (route.protocol == mesh::Protocol::kDoubleHbone) {
      hop.facts.push_back("leaves by the gateway of another network, " +
                          route.connect_to.ToString());
      return Add({}, End(std::move(hop), Outcome::kUnknown,
                         "what another network decides is not among these objects"));
    }
    if (route.to_waypoint) {
      hop.facts.push_back("goes to the waypoint at " + route.connect_to.ToString());
      return ToWaypoint({std::move(hop)}, route, *identity_, source_.ip);
    }
    const bool tunnel = route.protocol == mesh::Protocol::kHbone;
    if (tunnel) {
      hop.facts.push_back("no waypoint: an HBONE tunnel to " + NameOf(*route.destination));
    } else {
      hop.facts.push_back("goes on in the clear to " + route.connect_to.ToString());
    }
    Arrive({std::move(hop)}, route, tunnel ? identity_ : std::nullopt, source_.ip, false,
           std::nullopt);
  }

  // --- waypoints ---

  void ToWaypoint(std::vector<Hop> hops, const mesh::Route& route, const certs::Identity& client,
                  const Ip& client_ip) {
    const Visit visit{.client = client,
                      .source = client_ip,
                      .authority = route.target,
                      .request = question_.request,
                      .host = HostOfRequest()};
    Visited visited = VisitWaypoint(model_, route.destination, visit);
    if (visited.onward.empty()) return Add(std::move(hops), std::move(visited.judged));
    hops.push_back(visited.judged.hop);
    for (const Onward& onward : visited.onward) {
      if (ways_.size() >= kMaxEndpoints) return;
      std::vector<Hop> so_far = hops;
      if (!onward.through.empty()) so_far.back().facts.push_back("here: " + onward.through);
      const bool tunnel = onward.route.protocol == mesh::Protocol::kHbone;
      Arrive(std::move(so_far), onward.route,
             tunnel ? std::optional(visited.identity) : std::nullopt, visited.address, true,
             visited.judged.by);
    }
  }

  std::string HostOfRequest() const {
    const std::string port = question_.port == 80 ? "" : ":" + std::to_string(question_.port);
    return target_.host + port;
  }

  // --- the destination ---

  void Arrive(std::vector<Hop> hops, const mesh::Route& route,
              std::optional<certs::Identity> identity, const Ip& from, bool from_waypoint,
              std::optional<Decider> before) {
    const bool tunnel = route.protocol == mesh::Protocol::kHbone;
    const Address target = tunnel ? route.target : route.connect_to;
    const mesh::WorkloadRef own =
        route.destination != nullptr
            ? route.destination
            : snapshot().FindWorkloadAt({model_.settings().network, target.ip});
    if (own == nullptr) {
      Hop hop;
      hop.place = target.ToString();
      hop.facts.push_back("belongs to no pod of the mesh");
      return Add(std::move(hops),
                 End(std::move(hop), Outcome::kAllowed, "no proxy stands at that end"),
                 std::move(before));
    }
    const Arrival arrival{.identity = std::move(identity),
                          .source = from,
                          .target = target,
                          .tunnel = tunnel,
                          .from_waypoint = from_waypoint};
    Add(std::move(hops), JudgeAtDestination(model_, own, arrival), std::move(before));
  }

  // --- others ---

  mesh::ServiceRef ServiceAt(const Address& address) const {
    return snapshot().BestServiceAt({model_.settings().network, address.ip},
                                    mesh::ClientNamespace(source_.workload->ns.view()));
  }

  // By the cluster's own load balancing, which knows no mesh.
  void InTheClear(const Address& address) {
    const mesh::WorkloadRef pod =
        snapshot().FindWorkloadAt({model_.settings().network, address.ip});
    const mesh::ServiceRef service = ServiceAt(address);
    if (pod != nullptr || service == nullptr) {
      mesh::Route route;
      route.connect_to = address;
      route.destination = pod;
      return Arrive({SourceHop(address)}, route, std::nullopt, source_.ip, false, std::nullopt);
    }
    std::vector<std::string> tried;
    while (ways_.size() < kMaxEndpoints) {
      const mesh::Asker asker{snapshot(), *source_.workload, address.ip, tried, first_};
      const Result<mesh::Upstream> upstream = mesh::ChooseEndpointOf(asker, service, address.port);
      if (!upstream) break;
      Hop hop = SourceHop(address);
      if (service->has_waypoint())
        hop.facts.push_back(
            "goes past the waypoint of the Service: who is not in the mesh asks none");
      mesh::Route route;
      route.connect_to = upstream->address;
      route.destination = upstream->workload;
      tried.push_back(upstream->workload->uid);
      Arrive({std::move(hop)}, route, std::nullopt, source_.ip, false, std::nullopt);
    }
    if (tried.empty())
      Add({}, End(SourceHop(address), Outcome::kUnreachable, "the Service has no ready endpoint"));
  }

  // A waypoint or an ingress gateway: it dials by itself.
  void FromGateway(const control::BoundGateway& gateway, const Address& address) {
    const waypoint::Edge edge = gateway.role == control::GatewayRole::kIngress
                                    ? waypoint::Edge::kGateway
                                    : waypoint::Edge::kWaypoint;
    const mesh::Service& service = *target_.service;
    const waypoint::Destination destination{
        .service = waypoint::ServiceRef{service.ns, service.hostname, address.port},
        .address = address};
    const certs::Identity own = source_.workload->identity();
    Hop hop;
    hop.place = "gateway " + gateway.namespace_name() + "/" + gateway.name() + ", " + source_.title;
    hop.facts.push_back("identity " + own.ToString() +
                        "; its own policies and routes come before this and are not asked here");
    const std::vector<mesh::Route> routes =
        RoutesFrom(model_, *source_.workload, edge, destination, nullptr);
    if (routes.empty())
      return Add({}, End(std::move(hop), Outcome::kUnreachable,
                         "no endpoint, or no waypoint where there should be one, can be used"));
    for (const mesh::Route& route : routes) {
      if (route.to_waypoint) return ToWaypoint({hop}, route, own, source_.ip);
      const bool tunnel = route.protocol == mesh::Protocol::kHbone;
      Arrive({hop}, route, tunnel ? std::optional(own) : std::nullopt, source_.ip, false,
             std::nullopt);
    }
  }

  // --- what it comes to ---

  // The first way and, where others end differently, the first bad one.
  Explanation Summary() const {
    AQ_CHECK(!ways_.empty());
    const auto bad = [](const Way& way) { return way.last.outcome != Outcome::kAllowed; };
    const auto found = std::find_if(ways_.begin(), ways_.end(), bad);
    const Way& told = found == ways_.end() ? ways_.front() : *found;
    Explanation explanation;
    explanation.outcome = told.last.outcome;
    explanation.by = told.by;
    explanation.because = told.last.because;
    explanation.hops = told.hops;
    const auto same = std::count_if(ways_.begin(), ways_.end(),
                                    [&](const Way& way) { return SameEnd(way, told); });
    if (ways_.size() > 1) {
      const std::string of = std::to_string(same) + " of " + std::to_string(ways_.size());
      if (static_cast<size_t>(same) == ways_.size()) {
        explanation.remarks.push_back("all " + std::to_string(ways_.size()) +
                                      " ways it may take end like this");
      } else {
        explanation.because += " (" + of + " ways it may take end like this)";
        NoteOthers(told, explanation);
      }
    }
    AddRemarks(explanation);
    return explanation;
  }

  void NoteOthers(const Way& told, Explanation& explanation) const {
    for (const Way& way : ways_) {
      if (SameEnd(way, told)) continue;
      explanation.remarks.push_back(
          "another way, to " + way.hops.back().place + ", is " +
          (way.last.outcome == Outcome::kAllowed ? "allowed" : "not allowed") + ": " +
          way.last.because);
      return;
    }
  }

  void AddRemarks(Explanation& explanation) const {
    const mesh::Workload* const last = target_.workload.get();
    const control::Pod* pod = last == nullptr ? nullptr : model_.PodOf(*last);
    if (pod == nullptr && target_.service != nullptr) {
      const mesh::EndpointsRef endpoints = snapshot().EndpointsOf(*target_.service);
      if (!endpoints->empty()) pod = model_.PodOf(*endpoints->all().front().workload);
    }
    for (std::string& remark : RemarksOn(model_, pod, target_.service.get()))
      explanation.remarks.push_back(std::move(remark));
    for (const Refusal& refusal : model_.refused())
      explanation.remarks.push_back("proxies refuse a resource: " + refusal.ToString());
  }

  const Model& model_;
  const Question& question_;
  const mesh::Random first_ = [] { return std::uint64_t{0}; };
  Source source_;
  Target target_;
  std::optional<certs::Identity> identity_;
  std::vector<Way> ways_;
};

}  // namespace

Decoded<Explanation> Explain(const Model& model, const Question& question) {
  return Replay(model, question).Run();
}

}  // namespace aquifer::cli
