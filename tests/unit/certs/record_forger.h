// Seals TLS 1.3 records that the library would never send: empty ones, padded ones, of any type.
// It takes the client's secret from the key log and counts on being the only one who seals.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace aquifer::certs::test {

class RecordForger {
 public:
  // `secret`: CLIENT_TRAFFIC_SECRET_0 of a connection with TLS_AES_256_GCM_SHA384.
  explicit RecordForger(std::string_view secret);

  // One record with `content`, its type, and `padding` zeros behind it.
  std::string Seal(std::string_view content, std::uint8_t type = 23, size_t padding = 0);

 private:
  std::string key_;
  std::string iv_;
  std::uint64_t sequence_ = 0;
};

}  // namespace aquifer::certs::test
