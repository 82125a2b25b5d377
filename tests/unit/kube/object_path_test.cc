#include "kube/object_path.h"

#include "tests/support/catch.h"

namespace aquifer::kube {

TEST_CASE("the core group has no name, and a place of its own among the paths") {
  CHECK(ApiVersion("", "v1") == "v1");
  CHECK(CollectionPath("v1", "pods") == "/api/v1/pods");
  CHECK(ApiVersion("apps", "v1") == "apps/v1");
  CHECK(CollectionPath("apps/v1", "deployments") == "/apis/apps/v1/deployments");
}

TEST_CASE("objects are found in their namespace, if their kind has any") {
  CHECK(CollectionPath("v1", "pods", "shop") == "/api/v1/namespaces/shop/pods");
  CHECK(ObjectPath("apps/v1", "deployments", "edge", "gw") ==
        "/apis/apps/v1/namespaces/edge/deployments/gw");
  CHECK(ObjectPath("gateway.networking.k8s.io/v1", "gatewayclasses", "", "aquifer") ==
        "/apis/gateway.networking.k8s.io/v1/gatewayclasses/aquifer");
}

}  // namespace aquifer::kube
