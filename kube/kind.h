// One kind of objects: where the API server has it, and who keeps what is found of it. Values and
// an interface; the thread of the follower.
#pragma once

#include <string>
#include <vector>

#include "kube/fields.h"

namespace aquifer::kube {

struct KindSpec {
  std::string group;                  // "" is the core group
  std::vector<std::string> versions;  // best first
  std::string plural;                 // in paths
  std::string kind;                   // in logs
  // Said with each list and watch, as it stands in a URL: "fieldSelector=spec.nodeName%3Dnode1".
  std::string query;
};

class KindSink {
 public:
  virtual ~KindSink() = default;

  // A list begins, page by page. Until it is whole the objects stay what they were; what a list
  // before it had gathered and did not finish is forgotten.
  virtual void BeginList() = 0;
  // False, here and in Put: there are more than are kept.
  virtual bool AddListed(const Json& item) = 0;
  // From here on these are the objects; what is not among them has gone.
  virtual void FinishList() = 0;

  virtual bool Put(const Json& item) = 0;
  virtual void Remove(const Json& item) = 0;

  // Why the kind cannot be followed at present; empty: it can.
  virtual void SetProblem(std::string problem) = 0;
  virtual bool HasObjects() const = 0;
};

}  // namespace aquifer::kube
