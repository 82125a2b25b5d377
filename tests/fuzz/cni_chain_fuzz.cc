// A network configuration as somebody wrote it. What becomes of it has our plugin once, nothing
// else of it is lost, and it is as it should be when it is looked at again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "redirect/cni_chain.h"

namespace {

using namespace aquifer::redirect;  // NOLINT: a fuzz target is one function

void CheckStable(const std::string& text, const OrderedJson& entry) {
  const auto again = WithPlugin(text, entry);
  AQ_CHECK(again.ok());
  AQ_CHECK(!again->has_value());
  AQ_CHECK(HasPlugin(text));
}

void Lists(std::string_view text, const OrderedJson& entry) {
  const auto edit = WithPlugin(text, entry);
  if (!edit) {
    AQ_CHECK(!edit.error().why.empty());
  } else if (edit->has_value()) {
    CheckStable(**edit, entry);
  }
  const auto without = WithoutPlugin(text);
  if (without && without->has_value()) AQ_CHECK(!HasPlugin(**without));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, size_t size) {
  const std::string_view text = aquifer::AsText({data, size});
  const auto entry = MakePluginEntry("");
  AQ_CHECK(entry.ok());
  Lists(text, *entry);
  if (const auto wrapped = WrapConf(text, *entry)) CheckStable(*wrapped, *entry);
  static_cast<void>(MakePluginEntry(text));
  return 0;
}
