#!/usr/bin/env python3
"""Prints the sources of one library (absl or re2) inside the grpcio source archive."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent
FOLDERS = {'absl': 'third_party/abseil-cpp/absl', 're2': 'third_party/re2/re2 third_party/re2/util'}
# Tests, benchmarks, fuzzers, generators, and what only Windows or Apple compile.
NOT_OURS = re.compile(r'test|benchmark|fuzz|print_hash_of|chi_square|gentables|'
                      r'status_matchers|scoped_|time_zone_name_win|/pcre\.')


def main():
    files = sorted(str(p.relative_to(ROOT)) for folder in FOLDERS[sys.argv[1]].split()
                   for p in (ROOT / folder).rglob('*.cc'))
    files = [f for f in files if not NOT_OURS.search(f)]
    if not files:
        sys.exit(f'{sys.argv[1]}: no sources')
    print('\n'.join(files))


main()
