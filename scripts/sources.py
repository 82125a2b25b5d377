#!/usr/bin/env python3
"""Brings what deps/ pins from PyPI and crates.io: programs into build/venv, sources into subprojects/.

pip and cargo compare every archive with its SHA-256; the unpacked sources get our Meson files from
subprojects/packagefiles. Nothing is fetched when all of it is there already.
"""
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS, BUILD, SUBPROJECTS = ROOT / 'deps', ROOT / 'build', ROOT / 'subprojects'
VENV_PYTHON = BUILD / 'venv/bin/python3'

# subproject: the pinned name, and which folders of its archive are needed
PYPI_SOURCES = {
    'grpc-deps': ('grpcio', ['third_party/abseil-cpp', 'third_party/re2', 'third_party/cares']),
    'llhttp': ('httptools', ['vendor/llhttp']),
}
CRATE_SOURCES = {'boringssl': ('boring-sys', ['deps/boringssl'])}


def pypi_pin(name):
    """The requirement line of one package, which carries version and hash."""
    text = (DEPS / 'pypi-sources.txt').read_text()
    return re.search(rf'^{name}==.*$', text, re.M)[0]


def crate_pin(name):
    text = (DEPS / 'crates/Cargo.lock').read_text()
    version, checksum = re.search(
        rf'name = "{name}"\nversion = "(.*)"\nsource = .*\nchecksum = "(.*)"', text).groups()
    return f'{name} {version} {checksum}'


def stamped(stamp, text):
    return stamp.exists() and stamp.read_text() == text


def make_venv():
    pin_files = [DEPS / 'pypi-tools.txt', DEPS / 'pypi-demo.txt']
    pins = ''.join(f.read_text() for f in pin_files)
    stamp = BUILD / 'venv/pins.txt'
    if stamped(stamp, pins):
        return
    print('setup: Meson, PyYAML and httpbin into build/venv', flush=True)
    if not VENV_PYTHON.exists():
        # The system's interpreter where it is: a version manager's may go away under the venv.
        python = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable
        subprocess.run([python, '-m', 'venv', BUILD / 'venv'], check=True)
    requirements = [arg for f in pin_files for arg in ('-r', f)]
    subprocess.run([VENV_PYTHON, '-m', 'pip', 'install', '--quiet', '--only-binary', ':all:',
                    '--require-hashes', *requirements], check=True)
    stamp.write_text(pins)


def fetch_pypi(pin):
    """Downloads one source archive by its requirement line, returns its path."""
    name, version = re.match(r'(\S+)==(\S+)', pin).groups()
    downloads = BUILD / 'downloads'
    downloads.mkdir(parents=True, exist_ok=True)
    requirement = downloads / f'{name}.txt'
    requirement.write_text(pin + '\n')
    subprocess.run([VENV_PYTHON, '-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', name,
                    '--require-hashes', '-r', requirement, '-d', downloads], check=True)
    return downloads / f'{name}-{version}.tar.gz'


def fetch_crate(pin):
    """Lets cargo fetch one crate, returns the archive in cargo's cache."""
    name, version, checksum = pin.split()
    subprocess.run(['cargo', 'fetch', '--quiet', '--locked', '--target',
                    f'{platform.machine()}-unknown-linux-gnu', '--manifest-path',
                    DEPS / 'crates/Cargo.toml'], check=True)
    home = pathlib.Path(os.environ.get('CARGO_HOME', pathlib.Path.home() / '.cargo'))
    for archive in home.glob(f'registry/cache/*/{name}-{version}.crate'):
        if hashlib.sha256(archive.read_bytes()).hexdigest() == checksum:
            return archive
    sys.exit(f'setup: cargo fetched no {name}-{version}.crate with the pinned hash below {home}')


def unpack(archive, folders, target):
    """Unpacks the named folders below the archive's one top folder."""
    fresh = target.with_suffix('.new')
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            inner = member.name.partition('/')[2]
            if member.isreg() and inner.startswith(tuple(f + '/' for f in folders)) and '..' not in inner:
                path = fresh / inner
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tar.extractfile(member).read())
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def copy_overlay(target):
    """Copies our Meson files; an unchanged one keeps its time, so that nothing is configured anew."""
    overlay = SUBPROJECTS / 'packagefiles' / target.name
    for source in filter(pathlib.Path.is_file, overlay.rglob('*')):
        copy = target / source.relative_to(overlay)
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            shutil.copy(source, copy)


def bring(subproject, pin, folders, fetch):
    target = SUBPROJECTS / subproject
    stamp = target / 'pin.txt'
    if not stamped(stamp, pin) or not all((target / folder).is_dir() for folder in folders):
        print(f'setup: sources of {" ".join(pin.split()[:2]).partition(" --hash")[0]}', flush=True)
        unpack(fetch(pin), folders, target)
        stamp.write_text(pin)
    copy_overlay(target)


def main():
    make_venv()
    for subproject, (name, folders) in PYPI_SOURCES.items():
        bring(subproject, pypi_pin(name), folders, fetch_pypi)
    for subproject, (name, folders) in CRATE_SOURCES.items():
        bring(subproject, crate_pin(name), folders, fetch_crate)


main()
