#include "cli/check/rights.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

#include "cli/install/manifest.h"
#include "control/decode/decode.h"

namespace aquifer::cli {
namespace {

constexpr size_t kMaxAsked = 100;  // of one command
constexpr size_t kNamed = 4;

Json ReviewOf(const Right& right) {
  Json attributes = {{"verb", right.verb}, {"resource", right.resource}};
  if (!right.group.empty()) attributes["group"] = right.group;
  if (!right.name_space.empty()) attributes["namespace"] = right.name_space;
  Json review = {{"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SelfSubjectAccessReview"}};
  review["spec"]["resourceAttributes"] = std::move(attributes);
  return review;
}

}  // namespace

std::string Right::ToString() const {
  return verb + " " + resource + (group.empty() ? "" : "." + group) +
         (name_space.empty() ? "" : " in " + name_space);
}

Task<Answer<std::vector<Right>>> InstallRights(Cluster& cluster, StopToken stop) {
  std::vector<Right> rights;
  const Decoded<std::vector<Json>> objects = ManifestObjects(BuiltInManifest(), {});
  if (!objects.ok()) co_return ApiFailure{.detail = objects.error().ToString()};
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (const Json& object : *objects) {
    const std::string version = TextAt(object, {"apiVersion"});
    const std::string kind = TextAt(object, {"kind"});
    const std::string space = TextAt(object, {"metadata", "namespace"});
    if (!seen.emplace(version, kind, space).second) continue;
    const Answer<KindPath> path = co_await cluster.Find(version, kind, stop);
    if (!path.ok() && path.error().status == 404) continue;
    if (!path.ok()) co_return path.error();
    const size_t slash = version.find('/');
    const std::string group = slash == std::string::npos ? "" : version.substr(0, slash);
    // It reads what is there, and what it applies may have to be created.
    for (const char* verb : {"get", "create", "patch"})
      rights.push_back({verb, group, path->plural, space});
  }
  co_return rights;
}

std::vector<Right> StatusRights() {
  std::vector<Right> rights = {{"get", "apps", "deployments", kSystemNamespace}};
  for (const control::DecoderRow& row : control::Decoders())
    rights.push_back({"list", std::string(row.group), std::string(row.plural), ""});
  return rights;
}

Task<Answer<std::vector<Right>>> MissingRights(Cluster& cluster, std::vector<Right> rights,
                                               StopToken stop) {
  std::vector<Right> missing;
  rights.resize(std::min(rights.size(), kMaxAsked));
  for (const Right& right : rights) {
    Json review = ReviewOf(right);
    const Answer<Json> answer = co_await cluster.Create(
        std::string("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"), std::move(review),
        stop);
    if (!answer.ok()) co_return answer.error();
    const Json* const allowed = ValueAt(*answer, {"status", "allowed"});
    if (allowed == nullptr || *allowed != true) missing.push_back(right);
  }
  co_return missing;
}

Finding JudgeRights(const std::vector<Right>& missing, const std::string& command,
                    Verdict verdict) {
  if (missing.empty()) return {Verdict::kOk, "this user may do what " + command + " does", ""};
  std::string names;
  for (size_t i = 0; i < std::min(missing.size(), kNamed); ++i)
    names += (i == 0 ? "" : ", ") + missing[i].ToString();
  if (missing.size() > kNamed)
    names += " and " + std::to_string(missing.size() - kNamed) + " others";
  return {verdict, "for " + command + " this user may not " + names,
          "use --context of another user, or have these rights granted"};
}

}  // namespace aquifer::cli
