// The metrics of the control plane, all in one place. Owned by main(); counting is for any thread.
#pragma once

#include "core/obs/metrics.h"

namespace aquifer::control {

struct ControlMetrics {
  explicit ControlMetrics(obs::Registry& registry);

  obs::CounterFamily& readings;          // of the manifests
  obs::GaugeFamily& problems;            // refused documents and contradictions at present
  obs::CounterFamily& refusals;          // new ones over time
  obs::GaugeFamily& objects;             // by kind
  obs::GaugeFamily& resources;           // by type
  obs::HistogramFamily& reconcile_time;  // seconds
  obs::GaugeFamily& xds_streams;
  obs::CounterFamily& xds_pushes;       // responses, by type
  obs::CounterFamily& xds_rejections;   // NACKs, by type
  obs::CounterFamily& unauthenticated;  // calls, by service
  obs::CounterFamily& certificates;     // requests, by outcome
  obs::CounterFamily& connections;      // by outcome of the handshake
};

}  // namespace aquifer::control
