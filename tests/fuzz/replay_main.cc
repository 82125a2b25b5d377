// Runs a fuzz target over its corpus without libFuzzer: each file whole and cut at every offset.
// Arguments are corpus folders. An empty corpus is a failure, for it would test nothing.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// A long file is cut at evenly spread offsets: every offset would cost its length squared.
constexpr size_t kMaxCuts = 4096;

size_t RunFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const size_t step = bytes.size() / kMaxCuts + 1;
  size_t runs = 0;
  for (size_t size = 0; size <= bytes.size(); size += step, ++runs) {
    // A copy of exactly this size lets AddressSanitizer see a read past the cut.
    const std::vector<uint8_t> input(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  if (step == 1) return runs;
  const std::vector<uint8_t> whole(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(whole.data(), whole.size());
  return runs + 1;
}

}  // namespace

int main(int argc, char** argv) {
  int failed = 0;
  for (int i = 1; i < argc; ++i) {
    size_t files = 0;
    size_t runs = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i], error)) {
      if (!entry.is_regular_file()) continue;
      runs += RunFile(entry.path());
      ++files;
    }
    const std::string name = std::filesystem::path(argv[i]).filename().string();
    if (files == 0) {
      std::printf("not ok %s: the corpus %s is empty\n", name.c_str(), argv[i]);
      ++failed;
    } else {
      std::printf("ok %s: %zu files, %zu inputs\n", name.c_str(), files, runs);
    }
  }
  return failed == 0 ? 0 : 1;
}
