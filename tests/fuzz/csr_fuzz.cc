// A signing request from whoever can reach the CA: PEM text, or, with a first byte of 0, bare DER.
// The second form spares the fuzzer from having to find base64.
#include <cstddef>
#include <cstdint>
#include <string>

#include "certs/bundle.h"
#include "certs/csr.h"
#include "certs/key.h"
#include "certs/pem.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  using namespace aquifer;
  const Bytes input(data, size);
  if (!input.empty() && input[0] == 0) {
    static_cast<void>(
        certs::ParseCsr(certs::MakePem("CERTIFICATE REQUEST", input.subspan(1))).ok());
    static_cast<void>(
        certs::RootBundle::FromPem(certs::MakePem("CERTIFICATE", input.subspan(1))).ok());
    return 0;
  }
  static_cast<void>(certs::ParseCsr(AsText(input)).ok());
  static_cast<void>(certs::RootBundle::FromPem(AsText(input)).ok());
  static_cast<void>(certs::PrivateKey::FromPem(AsText(input)).ok());
  return 0;
}
