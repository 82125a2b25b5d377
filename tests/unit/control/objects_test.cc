#include "control/objects.h"

#include "control/object_set.h"
#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

using Operator = LabelRequirement::Operator;

LabelSelector Requiring(Operator op, std::vector<std::string> values) {
  LabelSelector selector;
  selector.match_expressions.push_back({"key", op, std::move(values)});
  return selector;
}

}  // namespace

TEST_CASE("an empty selector selects everything") { CHECK(LabelSelector().Selects({})); }

TEST_CASE("label requirements follow the operators of Kubernetes") {
  const Labels with = {{"key", "a"}}, other = {{"key", "b"}}, without = {};
  CHECK(Requiring(Operator::kIn, {"a", "c"}).Selects(with));
  CHECK_FALSE(Requiring(Operator::kIn, {"a", "c"}).Selects(other));
  CHECK_FALSE(Requiring(Operator::kIn, {"a", "c"}).Selects(without));
  CHECK_FALSE(Requiring(Operator::kNotIn, {"a"}).Selects(with));
  CHECK(Requiring(Operator::kNotIn, {"a"}).Selects(other));
  CHECK(Requiring(Operator::kNotIn, {"a"}).Selects(without));
  CHECK(Requiring(Operator::kExists, {}).Selects(with));
  CHECK_FALSE(Requiring(Operator::kExists, {}).Selects(without));
  CHECK_FALSE(Requiring(Operator::kDoesNotExist, {}).Selects(with));
  CHECK(Requiring(Operator::kDoesNotExist, {}).Selects(without));
}

TEST_CASE("labels and expressions of a selector must all hold") {
  LabelSelector selector = Requiring(Operator::kExists, {});
  selector.match_labels = {{"app", "x"}};
  CHECK(selector.Selects({{"key", ""}, {"app", "x"}}));
  CHECK_FALSE(selector.Selects({{"key", ""}}));
  CHECK_FALSE(selector.Selects({{"app", "x"}}));
}

TEST_CASE("the first object of a name stays") {
  ObjectSet objects;
  Pod first, second;
  first.meta.name = second.meta.name = "a";
  first.node_name = "one";
  CHECK(objects.Add(first));
  CHECK_FALSE(objects.Add(second));
  CHECK(FindObject(objects.pods, "", "a")->node_name == "one");
}

TEST_CASE("an object's key tells its kind") {
  Service service;
  service.meta.name = "httpbin";
  service.meta.namespace_name = "default";
  CHECK(KeyOf(Object(service)).ToString() == "Service default/httpbin");
  CHECK(KeyOf(Object(Namespace{Meta{.name = "a"}})).ToString() == "Namespace a");
}

}  // namespace aquifer::control
