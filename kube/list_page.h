// The other answers of an API server: one page of a list, and the Status that says why there is
// none. From bytes, bounded. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "kube/json_text.h"

namespace aquifer::kube {

struct ListPage {
  Json items;                    // a list of mappings
  std::string resource_version;  // a watch goes on from here
  std::string next;              // the continue token; empty: this was the last page
};

Decoded<ListPage> ReadListPage(std::string_view text, const JsonLimits& limits);
// The same of one that is there as a value.
Decoded<ListPage> ListPageOf(Json list);

// What went wrong in the API server's words, safe to log; of any body, JSON or not.
std::string FailureMessage(std::string_view body);
// The same of a Status that is there as a value.
std::string StatusMessage(const Json& status);
// status.code, or 0.
int StatusCode(const Json& status);

// Text as a value in the query of a URL (RFC 3986, section 2.1).
std::string QueryValue(std::string_view text);

}  // namespace aquifer::kube
