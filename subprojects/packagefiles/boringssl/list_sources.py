#!/usr/bin/env python3
"""Prints one group of BoringSSL's sources (crypto, asm or ssl) from its own gen/sources.cmake."""
import pathlib
import re
import sys

BORINGSSL = pathlib.Path(__file__).resolve().parent / 'deps/boringssl'
GROUPS = {
    'crypto': ('BCM_SOURCES', 'CRYPTO_SOURCES'),
    'asm': ('BCM_SOURCES_ASM', 'CRYPTO_SOURCES_ASM'),
    'ssl': ('SSL_SOURCES',),
}


def main():
    text = (BORINGSSL / 'gen/sources.cmake').read_text()
    lists = dict(re.findall(r'set\(\s*([A-Z_]+)\n(.*?)\)', text, re.S))
    files = [f for name in GROUPS[sys.argv[1]] for f in lists[name].split()]
    files = [f for f in files if not f.endswith(('-apple.S', '-win.S'))]
    missing = [f for f in files if not (BORINGSSL / f).exists()]
    if missing or not files:
        sys.exit(f'{sys.argv[1]}: sources missing: {missing[:3]}')
    print('\n'.join(f'deps/boringssl/{f}' for f in files))


main()
