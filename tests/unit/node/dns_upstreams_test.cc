#include "node-proxy/dns/upstreams.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "tests/support/catch.h"

namespace aquifer::node::dns {
namespace {

TEST_CASE("name servers and search domains are read, and what is no use is left out") {
  const ResolvConf conf = ParseResolvConf(
      "# a comment\n"
      "nameserver 10.96.0.10 # inline\n"
      "nameserver fd00::10\n"
      "nameserver fe80::1%eth0\n"
      "nameserver\n"
      "nameserver not-an-address\n"
      "options ndots:5\n"
      "domain old.example\n"
      "search ns1.svc.Cluster.local. svc.cluster.local\tcluster.local\r\n"
      "nameserver 10.96.0.11\n"
      "nameserver 10.96.0.12");
  CHECK(conf.servers == std::vector<Address>{{Ip::V4(10, 96, 0, 10), 53},
                                             {*Ip::Parse("fd00::10"), 53},
                                             {Ip::V4(10, 96, 0, 11), 53}});
  CHECK(conf.search ==
        std::vector<std::string>{"ns1.svc.cluster.local", "svc.cluster.local", "cluster.local"});
}

TEST_CASE("an empty file has nothing") {
  CHECK(ParseResolvConf("").servers.empty());
  CHECK(ParseResolvConf("\n\n;\n").search.empty());
}

class File {
 public:
  File() : path_("/tmp/aquifer-resolv-" + std::to_string(::getpid())) {}
  ~File() { std::remove(path_.c_str()); }
  void Write(const std::string& text) {
    const std::string fresh = path_ + ".new";
    std::ofstream(fresh) << text;
    CHECK(std::rename(fresh.c_str(), path_.c_str()) == 0);
  }
  void Remove() { CHECK(std::remove(path_.c_str()) == 0); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_CASE("a changed file is read again, a missing one leaves what was") {
  File file;
  file.Write("nameserver 10.0.0.1\n");
  Upstreams upstreams(file.path());
  TimePoint now{};
  const auto first = [&] { return upstreams.Current(now).servers.at(0).ip.ToString(); };
  CHECK(first() == "10.0.0.1");
  file.Write("nameserver 10.0.0.2\n");
  CHECK(first() == "10.0.0.1");  // not looked at again yet
  now += std::chrono::seconds(6);
  CHECK(first() == "10.0.0.2");
  file.Remove();
  now += std::chrono::seconds(6);
  CHECK(first() == "10.0.0.2");
}

TEST_CASE("without a file there are no name servers") {
  Upstreams upstreams("/nonexistent/resolv.conf");
  CHECK(upstreams.Current({}).servers.empty());
}

}  // namespace
}  // namespace aquifer::node::dns
