#include "cli/cluster.h"

#include <filesystem>
#include <system_error>

#include "certs/wall_clock.h"
#include "cli/list_items.h"
#include "kube/list_page.h"
#include "kube/names.h"

namespace aquifer::cli {
namespace {

using kube::ApiRequest;

constexpr kube::JsonLimits kAnswer{.bytes = 32 << 20, .values = 2'000'000, .depth = 64};
constexpr auto kRequestTimeout = std::chrono::seconds(30);

ApiFailure Unreadable(const Refusal& refusal) {
  return {.error = Error{Reason::kBadRequest},
          .detail = "the answer cannot be read: " + refusal.ToString()};
}

std::string DumpOf(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// "/api/v1" or "/apis/GROUP/VERSION"; "" for what is neither.
std::string FolderOf(const std::string& api_version) {
  const size_t slash = api_version.find('/');
  const std::string version = api_version.substr(slash == std::string::npos ? 0 : slash + 1);
  if (!kube::IsDnsLabel(version)) return "";
  if (slash == std::string::npos) return "/api/" + version;
  const std::string group = api_version.substr(0, slash);
  return kube::IsDnsSubdomain(group) ? "/apis/" + group + "/" + version : "";
}

// A path without a name is that of all objects of a kind, and dots would lead to another: a name
// comes from a server's answer, too.
ApiFailure Nameless(const ObjectName& name) {
  return {.error = Error{Reason::kBadRequest},
          .detail = name.kind + " \"" + name.name + "\" has no name that can be asked for"};
}

}  // namespace

bool IsPathName(std::string_view name) {
  return !name.empty() && name.size() <= 253 && name != "." && name != ".." &&
         name.find_first_of("/%") == std::string_view::npos;
}

std::string ObjectName::ToString() const {
  return kind + " " + (name_space.empty() ? name : name_space + "/" + name);
}

std::string ObjectPath(const KindPath& kind, std::string_view name_space, std::string_view name) {
  std::string path = kind.folder;
  if (kind.namespaced && !name_space.empty()) path += "/namespaces/" + kube::QueryValue(name_space);
  path += "/" + kind.plural;
  if (!name.empty()) path += "/" + kube::QueryValue(name);
  return path;
}

const Json* ValueAt(const Json& object, std::initializer_list<std::string_view> path) {
  const Json* at = &object;
  for (const std::string_view key : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(key);
    if (found == at->end() || found->is_null()) return nullptr;
    at = &*found;
  }
  return at;
}

std::string TextAt(const Json& object, std::initializer_list<std::string_view> path) {
  const Json* value = ValueAt(object, path);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

Decoded<kube::ClusterAccess> FindCluster(
    const std::string& kubeconfig, const std::string& context,
    const std::function<std::optional<std::string>(const char* name)>& environment) {
  if (!kubeconfig.empty()) return kube::FindAccess(kubeconfig, context);
  const std::string named = environment("KUBECONFIG").value_or("");
  if (!named.empty()) {
    if (named.find(':') != std::string::npos)
      return Refusal{"KUBECONFIG", "names several files; --kubeconfig takes the one to use"};
    return kube::FindAccess(named, context);
  }
  const std::string home = environment("HOME").value_or("");
  std::error_code absent;
  const std::string usual = home + "/.kube/config";
  if (!home.empty() && std::filesystem::exists(usual, absent))
    return kube::FindAccess(usual, context);
  if (context.empty() && environment("KUBERNETES_SERVICE_HOST"))
    return kube::FindAccess(std::string(kube::kInCluster));
  return Refusal{"--kubeconfig", "is needed: there is neither KUBECONFIG nor ~/.kube/config"};
}

Cluster::Cluster(const kube::ClusterAccess& access, const std::string& name_space)
    : name_space_(!name_space.empty()          ? name_space
                  : !access.name_space.empty() ? access.name_space
                                               : "default"),
      client_(access, &certs::SystemWallTime) {}

Task<Answer<Json>> Cluster::Ask(ApiRequest request, StopToken stop) {
  const Answer<std::string> body =
      co_await client_.Call(std::move(request), kAnswer.bytes, kRequestTimeout, stop);
  if (!body.ok()) co_return body.error();
  Decoded<Json> value = kube::ReadJson(*body, kAnswer);
  if (!value.ok()) co_return Unreadable(value.error());
  co_return *std::move(value);
}

Task<Answer<Json>> Cluster::Get(std::string path, StopToken stop) {
  ApiRequest request{.path = std::move(path)};
  co_return co_await Ask(std::move(request), stop);
}

Task<Answer<std::string>> Cluster::Text(std::string path, StopToken stop, size_t max_bytes) {
  ApiRequest request{.path = std::move(path)};
  co_return co_await client_.Call(std::move(request), max_bytes, kRequestTimeout, stop);
}

Task<Answer<std::unique_ptr<kube::ApiStream>>> Cluster::Open(std::string path, StopToken stop) {
  ApiRequest request{.path = std::move(path)};
  co_return co_await client_.Open(std::move(request), stop);
}

Task<Answer<std::vector<Json>>> Cluster::List(std::string path, std::string query, StopToken stop) {
  ListItems items;
  const std::string first = path + "?limit=500" + (query.empty() ? "" : "&" + query);
  do {
    ApiRequest request;
    request.path =
        items.next().empty() ? first : first + "&continue=" + kube::QueryValue(items.next());
    const Answer<std::string> body =
        co_await client_.Call(std::move(request), kAnswer.bytes, kRequestTimeout, stop);
    if (!body.ok()) co_return body.error();
    Decoded<kube::ListPage> page = kube::ReadListPage(*body, kAnswer);
    if (!page.ok()) co_return Unreadable(page.error());
    std::optional<std::string> too_much = items.Take(*std::move(page), body->size());
    if (too_much)
      co_return ApiFailure{.error = Error{Reason::kOverload}, .detail = *std::move(too_much)};
  } while (!items.next().empty());
  co_return items.TakeAll();
}

Task<Answer<KindPath>> Cluster::Find(std::string api_version, std::string kind, StopToken stop) {
  const std::pair key(api_version, kind);
  if (const auto known = kinds_.find(key); known != kinds_.end()) co_return known->second;
  const std::string folder = FolderOf(api_version);
  const ApiFailure absent{.status = 404,
                          .detail = "the API server has no kind " + kind + " of " + api_version};
  if (folder.empty()) co_return absent;
  ApiRequest request{.path = folder};
  const Answer<Json> list = co_await Ask(std::move(request), stop);
  if (!list.ok() && list.error().status != 404) co_return list.error();
  const Json* resources = list.ok() ? ValueAt(*list, {"resources"}) : nullptr;
  if (resources == nullptr || !resources->is_array()) co_return absent;
  for (const Json& resource : *resources) {
    const std::string plural = TextAt(resource, {"name"});
    // "pods/log" and the like belong to another.
    if (TextAt(resource, {"kind"}) != kind || !kube::IsDnsSubdomain(plural)) continue;
    const Json* namespaced = ValueAt(resource, {"namespaced"});
    const bool has_namespace = namespaced != nullptr && *namespaced == true;
    co_return kinds_[key] = KindPath{folder, plural, has_namespace};
  }
  co_return absent;
}

Task<Answer<std::string>> Cluster::PathOf(ObjectName name, StopToken stop) {
  if (!IsPathName(name.name)) co_return Nameless(name);
  AQ_CO_TRY(const KindPath kind, co_await Find(name.api_version, name.kind, stop));
  co_return ObjectPath(kind, name.name_space, name.name);
}

Task<Answer<std::optional<Json>>> Cluster::Read(ObjectName name, StopToken stop) {
  const Answer<std::string> path = co_await PathOf(std::move(name), stop);
  if (!path.ok() && path.error().status != 404) co_return path.error();
  if (!path.ok()) co_return std::optional<Json>();
  Answer<Json> object = co_await Get(*path, stop);
  if (object.ok()) co_return std::optional<Json>(*std::move(object));
  if (object.error().status == 404) co_return std::optional<Json>();
  co_return object.error();
}

Task<Answer<Json>> Cluster::Apply(Json object, ApplyOptions options, StopToken stop) {
  std::string api_version = TextAt(object, {"apiVersion"});
  std::string kind_name = TextAt(object, {"kind"});
  AQ_CO_TRY(const KindPath kind, co_await Find(std::move(api_version), std::move(kind_name), stop));
  std::string name_space = TextAt(object, {"metadata", "namespace"});
  if (name_space.empty()) name_space = name_space_;
  ObjectName name{"", TextAt(object, {"kind"}), name_space, TextAt(object, {"metadata", "name"})};
  if (!IsPathName(name.name)) co_return Nameless(name);
  ApiRequest request;
  request.method = "PATCH";
  request.path = ObjectPath(kind, name_space, name.name) +
                 "?fieldManager=" + kube::QueryValue(options.manager);
  if (options.force) request.path += "&force=true";
  if (options.dry_run) request.path += "&dryRun=All";
  request.content_type = "application/apply-patch+yaml";  // JSON is YAML
  request.body = DumpOf(object);
  co_return co_await Ask(std::move(request), stop);
}

Task<Answer<bool>> Cluster::Delete(ObjectName name, std::string propagation, StopToken stop) {
  const Answer<std::string> path = co_await PathOf(std::move(name), stop);
  if (!path.ok() && path.error().status == 404) co_return false;
  if (!path.ok()) co_return path.error();
  ApiRequest request;
  request.method = "DELETE";
  request.path = *path;
  request.content_type = "application/json";
  request.body = DumpOf({{"apiVersion", "v1"},
                         {"kind", "DeleteOptions"},
                         {"propagationPolicy", std::move(propagation)}});
  const Answer<Json> answer = co_await Ask(std::move(request), stop);
  if (!answer.ok() && answer.error().status != 404) co_return answer.error();
  co_return answer.ok();
}

Task<Answer<Json>> Cluster::Create(std::string path, Json object, StopToken stop) {
  ApiRequest request;
  request.method = "POST";
  request.path = std::move(path);
  request.content_type = "application/json";
  request.body = DumpOf(object);
  co_return co_await Ask(std::move(request), stop);
}

Task<Answer<Json>> Cluster::Merge(std::string path, Json patch, StopToken stop) {
  ApiRequest request;
  request.method = "PATCH";
  request.path = std::move(path);
  request.content_type = "application/merge-patch+json";
  request.body = DumpOf(patch);
  co_return co_await Ask(std::move(request), stop);
}

}  // namespace aquifer::cli
