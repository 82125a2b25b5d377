// The API server of a cluster as commands use it: objects read, listed, applied and deleted by kind
// and name, text of its other answers, each request bounded in time and size. Kinds are looked up
// where the server tells them, so that any object of a manifest can be applied. One thread: its
// Loop's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kube/api_client.h"
#include "kube/fields.h"

namespace aquifer::cli {

using kube::ApiFailure;
using kube::Json;

template <class T>
using Answer = Result<T, ApiFailure>;

// Where the objects of a kind are.
struct KindPath {
  std::string folder;  // "/api/v1", "/apis/apps/v1"
  std::string plural;
  bool namespaced = false;
};

// An object by its names; `name_space` is empty for one that has none.
struct ObjectName {
  std::string api_version;
  std::string kind;
  std::string name_space;
  std::string name;

  std::string ToString() const;  // "Deployment aquifer-system/aquifer-control"
};

inline constexpr size_t kMaxText = 64 << 20;  // of an answer

struct ApplyOptions {
  std::string manager = "aquifer";  // whose fields these are
  bool force = false;               // fields of others become ours
  bool dry_run = false;
};

class Cluster {
 public:
  // `name_space` is what -n says; empty: that of the context, else "default".
  Cluster(const kube::ClusterAccess& access, const std::string& name_space);

  const std::string& name_space() const { return name_space_; }
  const std::string& address() const { return client_.address(); }

  // JSON at a path, with its query.
  Task<Answer<Json>> Get(std::string path, StopToken stop);
  // Text at a path: logs, metrics, a page of a pod by the API server's proxy.
  Task<Answer<std::string>> Text(std::string path, StopToken stop, size_t max_bytes = kMaxText);
  // A body that comes for as long as it lasts, such as a log that is followed.
  Task<Answer<std::unique_ptr<kube::ApiStream>>> Open(std::string path, StopToken stop);
  // All items at a path, page by page. `query` is as in a URL, without "?", and may be empty.
  Task<Answer<std::vector<Json>>> List(std::string path, std::string query, StopToken stop);

  // Status 404 where the server does not have such a kind.
  Task<Answer<KindPath>> Find(std::string api_version, std::string kind, StopToken stop);
  // Of an object, through Find.
  Task<Answer<std::string>> PathOf(ObjectName name, StopToken stop);
  // Nothing where it is not there, or its kind is not.
  Task<Answer<std::optional<Json>>> Read(ObjectName name, StopToken stop);
  // Server-side apply; the object as the server then has it. Its namespace, where its kind has one
  // and it names none, is name_space().
  Task<Answer<Json>> Apply(Json object, ApplyOptions options, StopToken stop);
  // False: it was not there. `propagation` is Background, Foreground or Orphan.
  Task<Answer<bool>> Delete(ObjectName name, std::string propagation, StopToken stop);
  // POSTs to a path: of a review, the answer to it.
  Task<Answer<Json>> Create(std::string path, Json object, StopToken stop);
  // A merge patch (RFC 7386).
  Task<Answer<Json>> Merge(std::string path, Json patch, StopToken stop);

  // Before destruction.
  Task<void> Shutdown() { co_await client_.Shutdown(); }

 private:
  Task<Answer<Json>> Ask(kube::ApiRequest request, StopToken stop);

  const std::string name_space_;
  kube::ApiClient client_;
  std::map<std::pair<std::string, std::string>, KindPath> kinds_;  // by apiVersion and kind
};

// Whether it can stand in a path as the name of an object.
bool IsPathName(std::string_view name);

// "/api/v1/namespaces/NS/pods", the parts checked to be names; the last two may be empty.
std::string ObjectPath(const KindPath& kind, std::string_view name_space, std::string_view name);

// What --kubeconfig and --context say; without them KUBECONFIG, ~/.kube/config, the pod we run in.
Decoded<kube::ClusterAccess> FindCluster(
    const std::string& kubeconfig, const std::string& context,
    const std::function<std::optional<std::string>(const char* name)>& environment);

// Text of an object of the API server, "" where any part of the path is missing or of another
// type. {"metadata", "name"} is metadata.name.
std::string TextAt(const Json& object, std::initializer_list<std::string_view> path);
// The value, null where there is none.
const Json* ValueAt(const Json& object, std::initializer_list<std::string_view> path);

}  // namespace aquifer::cli
