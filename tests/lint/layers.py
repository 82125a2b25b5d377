#!/usr/bin/env python3
"""Includes point along the arrows of docs/architecture.md, start at the root, and exist."""
import re

import support

ALLOWED = {
    'core': {'core'},
    'certs': {'core', 'certs'},
    'kube': {'core', 'certs', 'kube'},
    'mesh': {'core', 'certs', 'mesh'},
    'hbone': {'core', 'certs', 'hbone'},
    'redirect': {'core', 'certs', 'kube', 'redirect'},
    'proxy': {'core', 'certs', 'mesh', 'hbone', 'proxy'},
    'node-proxy': {'core', 'certs', 'mesh', 'hbone', 'redirect', 'proxy', 'node-proxy'},
    'waypoint': {'core', 'certs', 'mesh', 'hbone', 'proxy', 'waypoint'},
    'control': {'core', 'certs', 'kube', 'mesh', 'control'},
    'cli': {'core', 'certs', 'kube', 'mesh', 'hbone', 'redirect', 'proxy', 'waypoint', 'control', 'cli'},
}
# Abseil and Protobuf are quoted, as their own documentation does.
THIRD_PARTY = {'absl', 'google'}
# Inside core: base knows nothing, the runtime knows only base, and app, what programs start with, knows all.
ALLOWED_IN_CORE = {
    'base': {'base'},
    'rt': {'base', 'rt'},
    'io': {'base', 'rt', 'io'},
    'obs': {'base', 'obs'},
    'http': {'base', 'rt', 'io', 'http'},
    'app': {'base', 'rt', 'io', 'obs', 'http', 'app'},
}


def problem(path, included):
    """Why this file may not include that one, or None."""
    parts = included.split('/')
    if len(parts) == 1:
        return 'includes start at the root'
    if parts[0] in THIRD_PARTY:
        return None
    if not included.endswith('.pb.h') and not (support.ROOT / included).exists():
        return 'no such file'
    if parts[0] not in ALLOWED.get(path.parts[0], {parts[0]}):
        return f'{path.parts[0]} must not know {parts[0]}'
    if parts[0] == 'core' and path.parts[0] == 'core':
        if parts[1] not in ALLOWED_IN_CORE.get(path.parts[1], {parts[1]}):
            return f'core/{path.parts[1]} must not know core/{parts[1]}'
    return None


def main():
    findings = []
    paths = support.files('.cc', '.h')
    for path in paths:
        for number, line in enumerate(support.read(path).splitlines(), 1):
            include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            why = include and problem(path, include[1])
            if why:
                findings.append(f'{path}:{number}: "{include[1]}": {why}')
    support.finish('layers', findings, len(paths))


main()
