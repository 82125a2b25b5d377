/* What c-ares's codec wants of its resolver, which is not compiled: whether a name is one of Tor, that
   its makers of queries refuse. We make none with it, and names are passed on whatever they are. */
#include "ares_private.h"

ares_bool_t ares_is_onion_domain(const char *name) {
  (void)name;
  return ARES_FALSE;
}
