// What ServiceEntries and WorkloadEntries add to a mesh: a service for each host, the machines and
// names behind it as workloads, and the pods that an entry selects. A host that is entered twice in
// one namespace, or is a Service of it, counts once: the Service, else the oldest entry. Built once
// for an index, which outlives it, and const from then on.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/reconcile/index.h"
#include "control/reconcile/waypoints.h"
#include "control/resources.h"
#include "mesh/proto/workload.pb.h"

namespace aquifer::control {

class Entries {
 public:
  Entries(const MeshIndex& index, const WaypointResolver& resolver);

  // Services by "<namespace>/<hostname>", workloads by their uid.
  const std::map<std::string, Resource>& resources() const { return resources_; }
  // The pod becomes an endpoint of the entries that select it. Returns the names by which those are
  // asked for.
  std::vector<std::string> AddTo(const Pod& pod, istio::workload::Workload& workload) const;

  // Where policies that target an entry hold: at the hosts of it that count, by its waypoint.
  struct Served {
    const BoundGateway* gateway = nullptr;  // null: traffic goes through none
    std::vector<std::string> hosts;
  };
  // Null if none of its hosts counts.
  const Served* Find(const ServiceEntry& entry) const;

  struct Note {
    Kind kind;
    const Meta* meta;
    std::vector<Condition> conditions;
  };
  const std::vector<Note>& notes() const { return notes_; }
  // What was left out because it is a Service's.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  // One host of an entry that counts.
  struct Entered {
    const ServiceEntry* entry = nullptr;
    std::string name;  // "<namespace>/<hostname>"
    istio::workload::Service service;
  };

  // The address of a Service is nobody else's: a namespace must not draw to itself what is meant
  // for another's, nor lead it round its waypoint.
  bool IsOfService(const Ip& ip, const Meta& meta);
  void ChooseHosts();
  void ChooseAddresses();
  void MakeServices(const WaypointResolver& resolver);
  void AddAllEndpoints();
  void AddEndpoint(std::span<const Entered> hosts, const EnteredWorkload& endpoint);
  void SetAddresses(const ServiceEntry& entry, istio::workload::Service& service);
  void AddWorkloadEntry(const WorkloadEntry& entry, const WaypointResolver& resolver);
  void PutWorkload(const istio::workload::Workload& workload, std::vector<std::string> brought_by);
  std::vector<const Entered*> Selecting(const std::string& namespace_name,
                                        const Labels& labels) const;
  std::vector<std::string> NamesOf(const Entered& entered) const;

  const MeshIndex& index_;
  std::vector<Entered> entered_;                                     // the oldest entry's first
  std::map<std::string, std::vector<const Entered*>> by_namespace_;  // those with a selector
  std::map<std::string, Resource> resources_;
  std::map<const ServiceEntry*, Served> served_;
  std::vector<Note> notes_;
  std::set<Ip> service_ips_;
  std::vector<std::string> warnings_;
};

}  // namespace aquifer::control
