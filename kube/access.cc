#include "kube/access.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "certs/file.h"
#include "core/base/address.h"
#include "kube/fields.h"
#include "kube/names.h"
#include "kube/yaml.h"

namespace aquifer::kube {
namespace {

constexpr size_t kMaxKubeconfigBytes = 1 << 20;
constexpr size_t kMaxData = 128 << 10;  // of one entry, base64
constexpr const char* kAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

// Reads one kubeconfig. Whatever is refused is kept by the Fields.
class Kubeconfig {
 public:
  Kubeconfig(const Json& document, std::string folder)
      : folder_(std::move(folder)), root_(&document, "", refusal_) {}

  Decoded<ClusterAccess> Read() {
    const std::string context = root_.RequiredText("current-context");
    std::string cluster, user;
    WithNamed("contexts", "context", context, [&](Fields& fields) {
      cluster = fields.RequiredText("cluster");
      user = fields.RequiredText("user");
    });
    WithNamed("clusters", "cluster", cluster, [&](Fields& fields) { ReadCluster(fields); });
    WithNamed("users", "user", user, [&](Fields& fields) { ReadUser(fields); });
    if (refusal_) return *std::move(refusal_);
    return std::move(access_);
  }

 private:
  // Calls `read` with the part `inner` of the entry of that name.
  template <class Read>
  void WithNamed(std::string_view list, std::string_view inner, const std::string& name,
                 Read read) {
    bool found = false;
    root_.ForEach(list, 1024, [&](Fields& entry) {
      if (found || entry.RequiredText("name") != name) return;
      found = true;
      Fields fields = entry.Object(inner);
      read(fields);
    });
    if (!found) root_.Refuse(list, "has no entry named \"" + name + "\"");
  }

  void ReadCluster(Fields& cluster) {
    ReadServer(cluster, cluster.RequiredText("server"));
    if (cluster.Flag("insecure-skip-tls-verify", false))
      cluster.Refuse("insecure-skip-tls-verify", "is not supported: the server would go unchecked");
    RefuseAny(cluster, {"proxy-url"});
    access_.roots = DataOrFile(cluster, "certificate-authority", "certificate-authority-data");
    if (access_.roots.empty()) access_.roots = "SYSTEM";
    const std::string name = cluster.Text("tls-server-name", "", kMaxNameText);
    if (!name.empty()) access_.host_name = name;
  }

  // https://host[:port][/path]
  void ReadServer(Fields& cluster, std::string_view url) {
    static constexpr std::string_view kScheme = "https://";
    if (!url.starts_with(kScheme)) return cluster.Refuse("server", "is not an https:// address");
    url.remove_prefix(kScheme.size());
    const size_t slash = std::min(url.find('/'), url.size());
    std::string_view host = url.substr(0, slash);
    access_.path = std::string(url.substr(slash));
    while (access_.path.ends_with('/')) access_.path.pop_back();
    std::string_view port = "443";
    const size_t colon = host.rfind(':');
    if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
      port = host.substr(colon + 1);
      host = host.substr(0, colon);
    }
    std::string_view name = host;
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    const bool good =
        (Ip::Parse(name) || IsDnsSubdomain(absl::AsciiStrToLower(name))) && ParsePort(port);
    if (!good || access_.path.find_first_of("?#% ") != std::string::npos)
      return cluster.Refuse("server", "is not of the form https://host:port");
    access_.host_name = std::string(name);
    access_.address = std::string(host) + ":" + std::string(port);
  }

  void ReadUser(Fields& user) {
    RefuseAny(user, {"exec", "auth-provider", "username", "as"});
    access_.certificate = DataOrFile(user, "client-certificate", "client-certificate-data");
    access_.key = DataOrFile(user, "client-key", "client-key-data");
    if (access_.certificate.empty() != access_.key.empty())
      user.RefuseHere("client-certificate and client-key go together");
    access_.token = user.Text("token", "", 16 << 10);
    // A token with a slash could not be told from the path of one.
    if (access_.token.find('/') != std::string::npos)
      user.Refuse("token", "holds a slash; name its file by tokenFile");
    const std::string file = user.Text("tokenFile");
    if (!file.empty()) access_.token = PathOf(file);
  }

  static void RefuseAny(Fields& fields, std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      if (fields.Has(key)) fields.Refuse(key, "is not supported");
    }
  }

  // What is there in base64, else the path, else "".
  std::string DataOrFile(Fields& fields, std::string_view file_key, std::string_view data_key) {
    const std::string data = fields.Text(data_key, "", kMaxData);
    if (data.empty()) {
      const std::string file = fields.Text(file_key);
      return file.empty() ? "" : PathOf(file);
    }
    std::string text;
    const bool pem = absl::Base64Unescape(data, &text) && text.find("-----BEGIN ") != text.npos;
    if (!pem) fields.Refuse(data_key, "is not PEM in base64");
    return text;
  }

  std::string PathOf(const std::string& file) const {
    return file.starts_with('/') ? file : folder_ + "/" + file;
  }

  const std::string folder_;
  std::optional<Refusal> refusal_;
  Fields root_;
  ClusterAccess access_;
};

}  // namespace

std::optional<std::string> ProcessVariable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Decoded<ClusterAccess> AccessInCluster(const Environment& environment, const std::string& account) {
  const std::string host = environment("KUBERNETES_SERVICE_HOST").value_or("");
  const std::string port = environment("KUBERNETES_SERVICE_PORT").value_or("");
  const std::optional<Ip> ip = Ip::Parse(host);
  if (!ip && !IsDnsSubdomain(host))
    return Refusal{"KUBERNETES_SERVICE_HOST", "is not set to a host: this is no pod"};
  if (!ParsePort(port)) return Refusal{"KUBERNETES_SERVICE_PORT", "is not set to a port"};
  ClusterAccess access;
  access.address = (ip && ip->is_v6() ? "[" + host + "]" : host) + ":" + port;
  access.host_name = host;
  access.roots = account + "/ca.crt";
  access.token = account + "/token";
  return access;
}

Decoded<ClusterAccess> AccessFromKubeconfig(std::string_view text, const std::string& folder) {
  const YamlLimits limits{.text_bytes = kMaxKubeconfigBytes, .document_bytes = kMaxKubeconfigBytes};
  std::vector<YamlDocument> documents = ReadYaml(text, limits);
  if (documents.size() != 1) return Refusal{"", "is not exactly one document"};
  if (!documents[0].value.ok()) return documents[0].value.error();
  return Kubeconfig(*documents[0].value, folder).Read();
}

Decoded<ClusterAccess> FindAccess(const std::string& setting) {
  if (setting == kInCluster) {
    return AccessInCluster(&ProcessVariable, kAccountFolder);
  }
  const Result<std::string> text = certs::ReadSmallFile(setting, kMaxKubeconfigBytes);
  if (!text) return Refusal{setting, "cannot be read: " + Describe(text.error())};
  const size_t slash = setting.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : setting.substr(0, slash);
  Decoded<ClusterAccess> access = AccessFromKubeconfig(*text, folder);
  if (access.ok()) return access;
  return Refusal{setting, access.error().ToString()};
}

}  // namespace aquifer::kube
