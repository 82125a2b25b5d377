// A cluster that is a map of objects by path, as the deployer sees one.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/deploy/object_writer.h"
#include "control/deploy/settings.h"
#include "control/deploy/wanted.h"
#include "tests/support/catch.h"

namespace aquifer::control {

using Words = std::vector<std::string>;

// Objects by path; says what was written.
class FakeCluster final : public ObjectWriter {
 public:
  Task<Result<Json, WriteFailure>> Apply(std::string path, std::string body, Force force,
                                         StopToken) override {
    written.push_back((force == Force::kYes ? "apply " : "make ") + path);
    if (away) co_return WriteFailure{0, "away"};
    if (refused.contains(path)) co_return WriteFailure{403, "forbidden"};
    if (invalid.contains(path)) co_return WriteFailure{422, "spec: is invalid"};
    Json object = Json::parse(body);
    const auto present = objects.find(path);
    const std::string named = object["metadata"].value("uid", "");
    if (!named.empty() && present == objects.end()) co_return WriteFailure{409, "is not there"};
    if (!named.empty() && present->second["metadata"].value("uid", "") != named)
      co_return WriteFailure{422, "metadata.uid: field is immutable"};
    object["metadata"]["uid"] = "uid-of-" + path;
    const auto spec = object.find("spec");
    if (spec != object.end() && spec->contains("replicas")) (*spec)["replicas"] = 7;
    if (pods_start) object["status"]["availableReplicas"] = 1;
    objects[path] = object;
    co_return object;
  }
  Task<Result<void, WriteFailure>> Delete(std::string path, std::string uid, StopToken) override {
    CHECK(uid == "uid-of-" + path);
    written.push_back("delete " + path);
    objects.erase(path);
    co_return Result<void, WriteFailure>();
  }
  Task<Result<Json, WriteFailure>> Read(std::string path, StopToken) override {
    const size_t query = path.find("?");
    if (query != std::string::npos) {
      ++lists;
      if (away) co_return WriteFailure{0, "away"};
      co_return List(path.substr(0, query), path.substr(query));
    }
    const auto found = objects.find(path);
    if (found == objects.end()) co_return WriteFailure{404, "not found"};
    co_return found->second;
  }

  // What was written since the last call.
  Words News() { return std::exchange(written, {}); }

  std::map<std::string, Json> objects;
  std::set<std::string> refused;
  std::set<std::string> invalid;
  Words written;
  int lists = 0;
  bool pods_start = true;
  bool away = false;

 private:
  Json List(const std::string& path, const std::string& query) const {
    const std::string kind = path.substr(path.rfind('/'));
    const std::string group = path.substr(0, path.size() - kind.size());
    const bool roots = query.find("managed-by") != std::string::npos;
    Json list = {{"metadata", {{"resourceVersion", "1"}}}, {"items", Json::array()}};
    for (const auto& [at, object] : objects) {
      const bool of_kind =
          at.starts_with(group + "/namespaces/") && at.find(kind + "/") != std::string::npos;
      const bool ours = roots ? MetadataText(object, "labels", kManagedByLabel) == kManagedBy
                              : MetadataText(object, "labels", kManagedLabel) == kManaged;
      if (!of_kind || !ours) continue;
      Json item = object;
      item.erase("apiVersion");
      item.erase("kind");
      list["items"].push_back(std::move(item));
    }
    return list;
  }
};

}  // namespace aquifer::control
