#include "certs/local_authority.h"

#include <utility>

namespace aquifer::certs {

Task<Result<CertificateBundle, Failure>> LocalAuthority::Fetch(Identity identity, StopToken) {
  PrivateKey key = PrivateKey::Generate();
  const Decoded<std::string> leaf = ca_.Issue(key.get(), identity, ttl_, clock_());
  if (!leaf) {
    co_return Failure{Error{Reason::kIdentityUnavailable}, leaf.error().ToString()};
  }
  Decoded<CertificateBundle> bundle =
      CertificateBundle::FromResponse(std::move(key), ca_.ResponseChain(*leaf));
  if (!bundle) {
    co_return Failure{Error{Reason::kIdentityUnavailable}, bundle.error().ToString()};
  }
  co_return *std::move(bundle);
}

}  // namespace aquifer::certs
