// The metrics of the control plane beside those of its discovery streams (control/xds_server.h).
// Owned by the ControlPlane; counting is for any thread.
#pragma once

#include "core/obs/metrics.h"

namespace aquifer::control {

struct ControlMetrics {
  explicit ControlMetrics(obs::Registry& registry);

  obs::CounterFamily& readings;          // states of the objects taken in
  obs::GaugeFamily& problems;            // refused documents and contradictions at present
  obs::CounterFamily& problems_found;    // new ones over time
  obs::CounterFamily& kinds_skipped;     // not ours, each counted once
  obs::GaugeFamily& objects;             // by kind
  obs::GaugeFamily& resources;           // by type
  obs::HistogramFamily& reconcile_time;  // seconds
  obs::CounterFamily& certificates;      // requests, by outcome
  obs::CounterFamily& connections;       // by outcome
  obs::GaugeFamily& leader;              // 1 while we lead
  obs::CounterFamily& leader_terms;      // begun
  obs::CounterFamily& writes;            // of statuses to the cluster, by kind and outcome
  obs::CounterFamily& deployments;       // objects written for Gateways, by kind and outcome
};

}  // namespace aquifer::control
