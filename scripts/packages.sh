#!/usr/bin/env bash
# Installs the packages of deps/apt.txt that are missing; with --e2e first, those of deps/apt-e2e.txt.
# --missing only lists them, --llvm prints the clang version to use; neither touches the network.
set -euo pipefail
cd "$(dirname "$0")/.."
list=deps/apt.txt
[ "${1:-}" != --e2e ] || { list=deps/apt-e2e.txt; shift; }
llvm_versions=$(sed -n 's/^# llvm: //p' deps/apt.txt)

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
available() { [[ $(LC_ALL=C apt-cache policy "$1" 2>/dev/null) == *'Candidate: '[^\(]* ]]; }

# first CHECK NAME...: the first name that passes the check
first() {
  local check=$1 name
  shift
  for name; do "$check" "$name" && { echo "$name"; return; }; done
  return 1
}

llvm_version() { # CHECK
  local version
  for version in $llvm_versions; do "$1" "clang-$version" && { echo "$version"; return; }; done
  return 1
}

wanted() { # LLVM: the list, one line of alternatives each, without commands that are there
  local line
  sed -e 's/#.*//' -e "s/LLVM/$1/" -e '/^ *$/d' "$list" | while read -r line; do
    if [[ $line == *:* ]]; then
      command -v "${line%%:*}" >/dev/null && continue
      line=${line#*:}
    fi
    echo "${line// | / }"
  done
}

missing() { # LLVM
  local names
  wanted "$1" | while read -r names; do
    # shellcheck disable=SC2086
    first installed $names >/dev/null || echo "$names"
  done
}

# Says how this user becomes root: "", "sudo", or fails.
escalation() {
  [ "$(id -u)" = 0 ] && return
  command -v sudo >/dev/null && { sudo -n true || : </dev/tty; } 2>/dev/null && echo sudo
}

main() {
  local llvm sudo names packages=()
  llvm=$(llvm_version installed) || llvm=
  case ${1:-} in
    --llvm) echo "$llvm"; return ;;
    --missing) missing "${llvm:-${llvm_versions%% *}}"; return ;;
    '') ;;
    *) echo "usage: packages.sh [--e2e] [--missing | --llvm]" >&2; exit 2 ;;
  esac

  command -v apt-get >/dev/null || {
    echo "setup: no apt-get here. Install the equivalents of $list by hand." >&2; exit 1; }
  if sudo=$(escalation); then $sudo apt-get update -q; else sudo=none; fi
  llvm=$(llvm_version installed || llvm_version available) || {
    echo "setup: this distribution offers no clang of deps/apt.txt" >&2; exit 1; }
  while read -r names; do
    # shellcheck disable=SC2086
    packages+=("$(first available $names)") || {
      echo "setup: no package for: $names (is the universe or main component enabled?)" >&2; exit 1; }
  done < <(missing "$llvm")
  if [ "$sudo" = none ]; then
    echo "setup: packages are missing, and this user is not root and cannot sudo here. As root, run:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${packages[*]}" >&2
    exit 1
  fi
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
}

main "$@"
