#include <algorithm>

#include "cli/check/ends.h"
#include "cli/check/rights.h"
#include "tests/support/catch.h"

namespace aquifer::cli {
namespace {

constexpr double kNow = 1'800'000'000;
constexpr double kDay = 86400;

ProxyCerts Proxy(const char* name, double left) {
  ProxyCerts proxy;
  proxy.pod.name_space = "aquifer-system";
  proxy.pod.name = name;
  proxy.soonest = kNow + left;
  return proxy;
}

}  // namespace

TEST_CASE("a root that ends is told by the last of them") {
  CHECK(JudgeRoots({{{"1", kNow + 300 * kDay}}, ""}, kNow).verdict == Verdict::kOk);
  CHECK(JudgeRoots({{{"1", kNow + kDay}, {"2", kNow + 300 * kDay}}, ""}, kNow).verdict ==
        Verdict::kOk);
  const Finding soon = JudgeRoots({{{"1", kNow + kDay}}, ""}, kNow);
  CHECK(soon.verdict == Verdict::kWarn);
  CHECK(soon.what.find("ends 2027-01-16T") != std::string::npos);
  CHECK_FALSE(soon.cure.empty());
  CHECK(JudgeRoots({{{"1", kNow - 1}}, ""}, kNow).verdict == Verdict::kFail);
  const Finding unknown = JudgeRoots({{}, "it is not there"}, kNow);
  CHECK(unknown.verdict == Verdict::kFail);
  CHECK(unknown.what.find("it is not there") != std::string::npos);
}

TEST_CASE("certificates of proxies that end, have ended or cannot be had are told by name") {
  CHECK(JudgeProxyCerts({Proxy("a", kDay)}, kNow).at(0).verdict == Verdict::kOk);
  CHECK(JudgeProxyCerts({}, kNow).at(0).what == "no proxy has a certificate by now");
  const std::vector<Finding> bad =
      JudgeProxyCerts({Proxy("a", kDay), Proxy("b", -1), Proxy("c", 60)}, kNow);
  REQUIRE(bad.size() == 2);
  CHECK(bad[0].verdict == Verdict::kFail);
  CHECK(bad[0].what == "certificates have ended at aquifer-system/b");
  CHECK(bad[1].verdict == Verdict::kWarn);
  CHECK(bad[1].what.find("aquifer-system/c") != std::string::npos);
  ProxyCerts failed = Proxy("d", kDay);
  failed.unavailable = 1;
  ProxyCerts silent = Proxy("e", kDay);
  silent.problem = "503";
  const std::vector<Finding> both = JudgeProxyCerts({failed, silent}, kNow);
  REQUIRE(both.size() == 2);
  CHECK(both[0].verdict == Verdict::kWarn);
  CHECK(both[1].verdict == Verdict::kFail);
  for (const Finding& finding : both) CHECK_FALSE(finding.cure.empty());
}

TEST_CASE("a time that is none has no text") {
  CHECK(EndText(std::nullopt).empty());
  CHECK(EndText(0).empty());
  CHECK(EndText(-5).empty());
  CHECK(EndText(1e300).empty());
  CHECK(EndText(1).starts_with("1970-01-01T00:00:01"));
  CHECK_FALSE(RootsOf("no certificate").problem.empty());
}

TEST_CASE("rights that are missing are named, a few of many, with their cure") {
  CHECK(JudgeRights({}, "\"aquifer install\"", Verdict::kFail).verdict == Verdict::kOk);
  std::vector<Right> missing = {{"create", "apps", "daemonsets", "aquifer-system"},
                                {"list", "", "pods", ""}};
  const Finding two = JudgeRights(missing, "\"aquifer install\"", Verdict::kFail);
  CHECK(two.verdict == Verdict::kFail);
  CHECK(two.what ==
        "for \"aquifer install\" this user may not create daemonsets.apps in aquifer-system, "
        "list pods");
  CHECK_FALSE(two.cure.empty());
  missing.resize(9, {"get", "", "nodes", ""});
  CHECK(JudgeRights(missing, "x", Verdict::kWarn).what.ends_with(" and 5 others"));
}

TEST_CASE("status needs to list all that the control plane reads") {
  const std::vector<Right> rights = StatusRights();
  CHECK(rights.size() > 10);
  CHECK(std::any_of(rights.begin(), rights.end(), [](const Right& right) {
    return right.ToString() == "list authorizationpolicies.security.istio.io";
  }));
}

}  // namespace aquifer::cli
