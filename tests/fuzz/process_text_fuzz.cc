// What /proc says of a process, as a program or a container may have made it say: the first byte
// tells which text it is. A UID that comes out has the form of one and stands in the text, and no
// part of the text below it changes it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "redirect/process_text.h"

namespace {

void CheckCgroup(std::string_view text) {
  const auto uid = aquifer::redirect::PodUidOf(text);
  if (!uid) return;
  AQ_CHECK(uid->size() == 36);
  std::string in_slice = *uid;
  std::replace(in_slice.begin(), in_slice.end(), '-', '_');
  AQ_CHECK(text.find(*uid) != text.npos || text.find(in_slice) != text.npos);
  if (text.ends_with('\n')) return;
  const std::string deeper = std::string(text) + "/x/pod00000000-0000-0000-0000-000000000000/y";
  const auto below = aquifer::redirect::PodUidOf(deeper);
  // The last line may have named none so far, and now contradicts the others.
  AQ_CHECK(!below || *below == *uid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = aquifer::AsText({data + 1, size - 1});
  if (data[0] % 2 == 0) {
    CheckCgroup(text);
  } else {
    std::ignore = aquifer::redirect::StartTimeOf(text);
  }
  return 0;
}
