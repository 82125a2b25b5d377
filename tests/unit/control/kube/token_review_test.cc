#include "control/kube/token_review.h"

#include "absl/strings/escaping.h"
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

std::string Jwt(const std::string& payload) {
  return "e30." + absl::WebSafeBase64Escape(payload) + ".c2ln";
}
std::string WhyNoClaims(const std::string& payload) {
  const auto claims = ReadTokenClaims(Jwt(payload));
  return claims.ok() ? "" : claims.error().ToString();
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

TEST_CASE("a token says of itself whose it is, for whom and until when") {
  const auto claims = ReadTokenClaims(
      Jwt(R"({"iss":"x","sub":"system:serviceaccount:web:sa","aud":["a","b"],"exp":1700000000,)"
          R"("kubernetes.io":{"namespace":"web","pod":{"name":"a-1","uid":"1"}}})"));
  REQUIRE(claims.ok());
  CHECK(claims->account == ReviewedAccount{"web", "sa", "a-1"});
  CHECK(claims->audiences == std::vector<std::string>{"a", "b"});
  CHECK(claims->expires == std::chrono::seconds(1700000000));
  const auto unbound =
      ReadTokenClaims(Jwt(R"({"sub":"system:serviceaccount:web:sa","aud":"a","exp":1})"));
  REQUIRE(unbound.ok());
  CHECK(unbound->account == ReviewedAccount{"web", "sa", ""});
  CHECK(unbound->audiences == std::vector<std::string>{"a"});
}

TEST_CASE("claims that no token of a service account makes are refused") {
  CHECK(WhyNoClaims("{}").starts_with("sub: "));
  CHECK(WhyNoClaims(R"({"sub":"admin","exp":1})") == "it is no service account's");
  CHECK(WhyNoClaims(R"({"sub":"system:serviceaccount:web:sa"})").starts_with("exp: "));
  CHECK(WhyNoClaims(R"({"sub":"system:serviceaccount:web:sa","exp":-1})").starts_with("exp: "));
  CHECK(WhyNoClaims(R"({"sub":"system:serviceaccount:web:sa","exp":1,"aud":7})")
            .starts_with("aud: "));
  CHECK(WhyNoClaims("nonsense") == "not JSON");
  CHECK(ReadTokenClaims("a.b").error().ToString() == "not a JWT");
  CHECK_FALSE(ReadTokenClaims("e30.a.c2ln").ok());
}

TEST_CASE("what is asked names the token and the audience") {
  const Json body = Json::parse(TokenReviewBody("a.b.c", "istio-ca"));
  CHECK(body["kind"] == "TokenReview");
  CHECK(body["spec"]["token"] == "a.b.c");
  CHECK(body["spec"]["audiences"] == Json::array({"istio-ca"}));
}

}  // namespace aquifer::control
