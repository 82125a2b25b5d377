#include "control/resources.h"

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

Resource With(std::string bytes) {
  Resource resource;
  resource.version = ContentVersion(bytes);
  resource.bytes = std::move(bytes);
  return resource;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("type URLs go both ways") {
  for (size_t i = 0; i < kResourceTypeCount; ++i) {
    const auto type = static_cast<ResourceType>(i);
    CHECK(TypeOfUrl(TypeUrl(type)) == type);
  }
  CHECK_FALSE(TypeOfUrl("type.googleapis.com/envoy.config.listener.v3.Listener").has_value());
}

TEST_CASE("a version is a hash of the content") {
  CHECK(ContentVersion("a") == ContentVersion("a"));
  CHECK(ContentVersion("a") != ContentVersion("b"));
  CHECK(ContentVersion("").size() == 32);
}

TEST_CASE("a table shares what did not change and names what did") {
  ResourceDraft one;
  one.Of(ResourceType::kAddress) = {{"a", With("1")}, {"b", With("2")}, {"c", With("3")}};
  const auto first = ResourceTable::Build(std::move(one), ResourceTable());
  CHECK(first->ChangedSincePrevious(ResourceType::kAddress) == Names{"a", "b", "c"});
  ResourceDraft two;
  two.Of(ResourceType::kAddress) = {{"a", With("1")}, {"b", With("changed")}, {"d", With("4")}};
  const auto second = ResourceTable::Build(std::move(two), *first);
  CHECK(second->ChangedSincePrevious(ResourceType::kAddress) == Names{"b", "d", "c"});
  CHECK(second->ChangedSincePrevious(ResourceType::kGateway).empty());
  CHECK(second->Find(ResourceType::kAddress, "a") == first->Find(ResourceType::kAddress, "a"));
  CHECK(second->serial() == first->serial() + 1);
}

TEST_CASE("a name means the resource, those with the alias and those it brings along") {
  Resource service = With("s");
  service.aliases = {"/10.96.0.1"};
  Resource pod = With("p");
  pod.aliases = {"/10.0.0.1"};
  pod.brought_by = {"default/svc", "/10.96.0.1"};
  pod.node = "node-a";
  ResourceDraft draft;
  draft.Of(ResourceType::kAddress) = {{"default/svc", service}, {"uid", pod}};
  const auto table = ResourceTable::Build(std::move(draft), ResourceTable());
  CHECK(table->Resolve(ResourceType::kAddress, "default/svc") == Names{"default/svc", "uid"});
  CHECK(table->Resolve(ResourceType::kAddress, "/10.96.0.1") == Names{"default/svc", "uid"});
  CHECK(table->Resolve(ResourceType::kAddress, "/10.0.0.1") == Names{"uid"});
  CHECK(table->Resolve(ResourceType::kAddress, "uid") == Names{"uid"});
  CHECK(table->Resolve(ResourceType::kAddress, "nothing").empty());
  CHECK(table->OfNode(ResourceType::kAddress, "node-a") == Names{"uid"});
}

}  // namespace aquifer::control
