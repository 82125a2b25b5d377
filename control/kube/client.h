// What control uses of kube/ to talk to the API server, under its own names.
#pragma once

#include <string_view>

#include "kube/access.h"
#include "kube/api_client.h"
#include "kube/kind_follower.h"
#include "kube/list_page.h"
#include "kube/object_path.h"
#include "kube/watch_events.h"

namespace aquifer::control {

using kube::AccessFromKubeconfig;
using kube::AccessInCluster;
using kube::ApiClient;
using kube::ApiFailure;
using kube::ApiRequest;
using kube::ApiStream;
using kube::ApiVersion;
using kube::ClusterAccess;
using kube::CollectionPath;
using kube::Environment;
using kube::FailureMessage;
using kube::FindAccess;
using kube::FollowOptions;
using kube::kConflict;
using kube::kInCluster;
using kube::KindFollower;
using kube::KindSink;
using kube::KindSpec;
using kube::kNotFound;
using kube::kTooManyRequests;
using kube::ListPage;
using kube::ListPageOf;
using kube::ObjectPath;
using kube::ProcessVariable;
using kube::QueryValue;
using kube::ReadListPage;
using kube::ResourceVersionOf;
using kube::StatusCode;
using kube::StatusMessage;
using kube::WatchEvent;
using kube::WatchReader;

// Under what name fields of objects are ours.
inline constexpr std::string_view kFieldManager = "aquifer-control";

}  // namespace aquifer::control
