#!/usr/bin/env python3
"""Prints the sources of one library (absl, re2 or cares) inside the grpcio source archive."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent
CARES = 'third_party/cares/cares/src/lib'
FOLDERS = {'absl': 'third_party/abseil-cpp/absl', 're2': 'third_party/re2/re2 third_party/re2/util',
           'cares': f'{CARES}/record {CARES}/str {CARES}/dsa {CARES}/util'}
# What those folders of c-ares need of the one above them.
CARES_BESIDE = ['ares_free_string.c', 'ares_library_init.c', 'inet_net_pton.c', 'inet_ntop.c']
# Tests, benchmarks, fuzzers, generators, and what only Windows or Apple compile.
NOT_OURS = re.compile(r'test|benchmark|fuzz|print_hash_of|chi_square|gentables|'
                      r'status_matchers|scoped_|time_zone_name_win|/pcre\.')


def main():
    files = sorted(str(p.relative_to(ROOT)) for folder in FOLDERS[sys.argv[1]].split()
                   for p in (ROOT / folder).rglob('*.c' if sys.argv[1] == 'cares' else '*.cc'))
    files = [f for f in files if not NOT_OURS.search(f)]
    if not files:
        sys.exit(f'{sys.argv[1]}: no sources')
    if sys.argv[1] == 'cares':
        files += [f'{CARES}/{name}' for name in CARES_BESIDE] + ['codec/onion.c']
    print('\n'.join(files))


main()
