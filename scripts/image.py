#!/usr/bin/env python3
"""image.py BUILD OUT.tar: a docker archive with the programs of BUILD and the shared libraries they need.

The image holds nothing else: no shell, no package manager, no root certificates of the build machine.
Equal inputs give equal bytes.
"""
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tarfile

TAG = 'aquifer:dev'
PROGRAMS = ('node-proxy/aquifer-node', 'waypoint/aquifer-waypoint', 'control/aquifer-control', 'redirect/aquifer-cni',
            'redirect/aquifer-cni-plugin', 'cli/aquifer')
ARCHITECTURES = {'x86_64': 'amd64', 'aarch64': 'arm64'}


def libraries(program):
    """The loader and shared libraries of a program: path in the image, and the file behind it. None for a static one."""
    ran = subprocess.run(['ldd', program], capture_output=True, text=True)
    if 'not a dynamic executable' in ran.stderr or 'statically linked' in ran.stdout:
        return {}
    ran.check_returncode()
    listed = ran.stdout
    if 'not found' in listed:
        sys.exit(f'image: {program} lacks a library:\n{listed}')
    paths = re.findall(r'(?:=> )?(/\S+) \(0x', listed)
    return {p: os.path.realpath(p) for p in paths}


def add(tar, name, data, mode=0o755):
    info = tarfile.TarInfo(name.lstrip('/'))
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def layer(files):
    """Of files by their paths in the image; a program brings the libraries that it needs."""
    files = dict(files)
    for path in list(files.values()):
        with open(path, 'rb') as file:
            if file.read(4) == b'\x7fELF':
                files = libraries(path) | files
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        for name, source in sorted(files.items()):
            add(tar, name, pathlib.Path(source).read_bytes())
        for name, mode in (('run', 0o755), ('tmp', 0o1777), ('var', 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        # What is mounted below one is found below the other: runtimes name sockets and namespaces by either.
        link = tarfile.TarInfo('var/run')
        link.type, link.linkname = tarfile.SYMTYPE, '/run'
        tar.addfile(link)
    return out.getvalue()


def write_archive(path, layer_bytes, tag, **config):
    digest = hashlib.sha256(layer_bytes).hexdigest()
    config = json.dumps({
        'architecture': ARCHITECTURES.get(platform.machine(), platform.machine()), 'os': 'linux',
        'config': {'Env': ['PATH=/usr/local/bin'], 'WorkingDir': '/', **config},
        'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{digest}']},
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + '.json'
    manifest = json.dumps([{'Config': config_name, 'RepoTags': [tag], 'Layers': [f'{digest}.tar']}])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w') as tar:
        add(tar, f'{digest}.tar', layer_bytes, 0o644)
        add(tar, config_name, config, 0o644)
        add(tar, 'manifest.json', manifest.encode(), 0o644)


def main():
    build, out = map(pathlib.Path, sys.argv[1:3])
    programs = [build / p for p in PROGRAMS]
    missing = [p.name for p in programs if not p.exists()]
    if missing:
        sys.exit(f'image: not in {build}: ' + ' '.join(missing))
    files = {f'/usr/local/bin/{p.name}': str(p) for p in programs}
    write_archive(out, layer(files), TAG, Entrypoint=['/usr/local/bin/aquifer-node'])
    print(f'{out}: {TAG}, {out.stat().st_size >> 20} MiB, ' + ' '.join(p.name for p in programs))


if __name__ == '__main__':
    main()
