#include "cli/cluster.h"

#include "cli/commands.h"
#include "cli/dispatch.h"
#include "cli/list_items.h"
#include "tests/support/catch.h"
#include "tests/unit/cli/support.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::cli {
namespace {

kube::ListPage Page(size_t items, const std::string& next) {
  kube::ListPage page;
  page.items = Json::array();
  for (size_t i = 0; i < items; ++i) page.items.push_back(Json::object());
  page.next = next;
  return page;
}

}  // namespace

TEST_CASE("the pages of a list come together") {
  ListItems items;
  CHECK_FALSE(items.Take(Page(2, "x"), 10).has_value());
  CHECK(items.next() == "x");
  CHECK_FALSE(items.Take(Page(1, ""), 10).has_value());
  CHECK(items.next().empty());
  CHECK(items.TakeAll().size() == 3);
}

TEST_CASE("a list that does not end, or is too large, is given up") {
  ListItems same;
  CHECK_FALSE(same.Take(Page(0, "x"), 1).has_value());
  CHECK(same.Take(Page(0, "x"), 1) == "the list does not come to an end");
  ListItems endless;
  size_t pages = 0;
  while (pages < 2 * ListItems::kMaxPages && !endless.Take(Page(0, std::to_string(pages)), 1))
    ++pages;
  CHECK(pages == ListItems::kMaxPages - 1);
  ListItems large;
  CHECK(large.Take(Page(1, ""), ListItems::kMaxBytes + 1).has_value());
}

TEST_CASE("what an answer names is no path to something else") {
  CHECK(IsPathName("aquifer-node"));
  CHECK(IsPathName("system:node"));
  for (const char* name : {"", ".", "..", "a/b", "..%2f"}) {
    INFO(name);
    CHECK_FALSE(IsPathName(name));
  }
}

TEST_CASE("a namespace that is no name is misuse, from the flag and from a kubeconfig") {
  const control::TestDirectory folder;
  const auto write = [&](const std::string& space) {
    folder.Write("config",
                 "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: "
                 "{cluster: c, user: u, namespace: \"" +
                     space +
                     "\"}}], clusters: [{name: c, cluster: {server: \"https://127.0.0.1:1\"}}], "
                     "users: [{name: u, user: {token: t}}]}\n");
  };
  const auto status_of = [&](std::vector<std::string_view> words) {
    const std::string config = folder.Of("config");
    words.insert(words.end(), {"--kubeconfig", config});
    Captured captured;
    const Environment none = [](const char*) { return std::optional<std::string>(); };
    const int status = Dispatch(words, Commands(), none, captured.out);
    CHECK(captured.errors().find("--namespace: is not the name") != std::string::npos);
    return status;
  };
  write("shop");
  CHECK(status_of({"waypoint", "list", "-n", ".."}) == kExitMisuse);
  write("../../nodes");
  CHECK(status_of({"waypoint", "list"}) == kExitMisuse);
}

}  // namespace aquifer::cli
