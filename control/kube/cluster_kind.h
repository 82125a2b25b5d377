// The objects of one kind among all that are known of a cluster: where its follower puts what it
// finds. The ClusterObjects outlive it. One thread: its Loop's.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "control/kube/client.h"
#include "control/kube/cluster_objects.h"

namespace aquifer::control {

KindSpec SpecOf(const DecoderRow& row);

class ClusterKind final : public KindSink {
 public:
  ClusterKind(const DecoderRow& row, ClusterObjects& objects) : row_(row), objects_(objects) {}

  void BeginList() override { listing_.emplace(objects_.Begin(row_)); }
  bool AddListed(const Json& item) override { return listing_->Add(item); }
  void FinishList() override {
    objects_.Replace(*std::move(listing_));
    listing_.reset();
  }
  bool Put(const Json& item) override { return objects_.Put(row_, item); }
  void Remove(const Json& item) override { objects_.Remove(row_, item); }
  void SetProblem(std::string problem) override { objects_.SetProblem(row_, std::move(problem)); }
  bool HasObjects() const override { return objects_.CountOf(row_.object_kind) > 0; }

 private:
  const DecoderRow& row_;
  ClusterObjects& objects_;
  std::optional<ClusterObjects::Listing> listing_;
};

}  // namespace aquifer::control
