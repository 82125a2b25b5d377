// The CNI plugin alone, linked without shared libraries: what is copied onto a node runs there
// whatever the node has installed. aquifer-cni is the same plugin where its libraries are.
#include <cstdio>

#include "redirect/plugin_process.h"

int main() {
  if (aquifer::redirect::IsCalledAsPlugin()) return aquifer::redirect::RunAsPlugin();
  std::fputs(
      "aquifer-cni: is a CNI plugin, which container runtimes call; CNI_COMMAND is not set\n",
      stderr);
  return 2;
}
