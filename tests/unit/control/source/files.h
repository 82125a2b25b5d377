// A directory of a test's own, gone with it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace aquifer::control {

class TestDirectory {
 public:
  TestDirectory();
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string Of(const std::string& name) const { return path_ + "/" + name; }
  void Write(const std::string& name, std::string_view text) const {
    std::ofstream(Of(name)) << text;
  }
  void Remove(const std::string& name) const { std::filesystem::remove(Of(name)); }

 private:
  std::string path_;
};

// The manifest of a namespace.
inline std::string NamespaceYaml(const std::string& name) {
  return "{apiVersion: v1, kind: Namespace, metadata: {name: " + name + "}}\n";
}

}  // namespace aquifer::control
