#include "control/kube/token_review.h"

#include "control/kube/values.h"
#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

const std::string kUser = R"("user":{"username":"system:serviceaccount:web:sa","extra":{)"
                          R"("authentication.kubernetes.io/pod-name":["a-1"]}})";

std::string Answer(const std::string& status) { return R"({"status":{)" + status + "}}"; }

std::string WhyNot(const std::string& body) {
  const auto account = ReadTokenReview(body, "istio-ca");
  return account.ok() ? "" : account.error().ToString();
}

}  // namespace

TEST_CASE("an account that the API server vouches for is known with its pod") {
  const auto account = ReadTokenReview(
      Answer(R"("authenticated":true,"audiences":["istio-ca"],)" + kUser), "istio-ca");
  REQUIRE(account.ok());
  CHECK(*account == ReviewedAccount{"web", "sa", "a-1"});
  const auto unbound =
      ReadTokenReview(Answer(R"("authenticated":true,"audiences":["istio-ca"],)"
                             R"("user":{"username":"system:serviceaccount:web:sa"})"),
                      "istio-ca");
  REQUIRE(unbound.ok());
  CHECK(unbound->pod.empty());
}

TEST_CASE("without the API server's word there is no account") {
  CHECK(WhyNot(Answer("")) == "the API server does not know it");
  CHECK(WhyNot(Answer(R"("authenticated":false,"error":"expired",)" + kUser)) == "expired");
  CHECK(WhyNot(Answer(R"("authenticated":true,"audiences":["other"],)" + kUser)) ==
        "it is not for the audience istio-ca");
  CHECK(WhyNot(Answer(R"("authenticated":true,)" + kUser)) ==
        "it is not for the audience istio-ca");
  CHECK(WhyNot(Answer(R"("authenticated":"true")")).starts_with("status.authenticated: "));
  CHECK(WhyNot("{}") == "the API server does not know it");
  CHECK(WhyNot("[]") == "expected a mapping, got a list");
  CHECK(WhyNot("nonsense") == "not JSON");
}

TEST_CASE("users that are no service accounts are not known") {
  const auto why = [](const std::string& user) {
    return WhyNot(Answer(R"("authenticated":true,"audiences":["istio-ca"],"user":{"username":")" +
                         user + R"("})"));
  };
  CHECK(why("admin") == "it is no service account's");
  CHECK(why("system:serviceaccount:web") == "status.user.username: is not a service account's");
  CHECK(why("system:serviceaccount:web:a:b") == "status.user.username: is not a service account's");
  CHECK(why("system:serviceaccount:../x:a") == "status.user.username: is not a service account's");
}

TEST_CASE("only what has the form of a JWT is worth asking about") {
  CHECK(LooksLikeJwt("eyJh.eyJp.c2ln-_"));
  for (const char* bad : {"", "a", "a.b", "a.b.c.d", "a..c", "a.b.", "a.b.c=", "a.b c.d"}) {
    INFO(bad);
    CHECK_FALSE(LooksLikeJwt(bad));
  }
}

TEST_CASE("what is asked names the token and the audience") {
  const Json body = Json::parse(TokenReviewBody("a.b.c", "istio-ca"));
  CHECK(body["kind"] == "TokenReview");
  CHECK(body["spec"]["token"] == "a.b.c");
  CHECK(body["spec"]["audiences"] == Json::array({"istio-ca"}));
}

}  // namespace aquifer::control
