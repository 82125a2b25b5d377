#!/usr/bin/env python3
"""Every source, test and proto is named in a meson.build: one that is not is never compiled or run."""
import support


def named(path):
    """Whether a meson.build of this folder or one above names the file, relative to itself."""
    wanted = {path.name, path.name.removesuffix('_fuzz.cc'), path.name.removesuffix('.proto')}
    for folder in path.parents:
        build = support.ROOT / folder / 'meson.build'
        if build.exists():
            inner = path.relative_to(folder).parent
            text = build.read_text()
            if any(f"'{inner / name}'" in text for name in wanted):
                return True
    return False


def main():
    paths = [p for p in support.files('.cc', '.proto') if p.parts[0] != 'subprojects']
    support.finish('listed', [f'{p}: in no meson.build' for p in paths if not named(p)], len(paths))


main()
