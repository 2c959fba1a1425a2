#!/bin/sh
# Shared by run.sh and test.sh: installs what is missing from Debian packages and builds the `release` preset. Idempotent; a second run
# installs and rebuilds nothing. Sourced, with the working directory at the top of the tree.
set -eu

say() { printf '%s\n' "orrery: $*" >&2; }

# What the build, the program and its tests need.
packages="g++ cmake ninja-build ccache pkg-config
  libvulkan-dev vulkan-validationlayers mesa-vulkan-drivers glslang-tools
  qt6-base-dev qt6-svg-dev libgl-dev
  libimgui-dev nlohmann-json3-dev libpugixml-dev libcli11-dev libfmt-dev libprotozero-dev
  zlib1g-dev libpng-dev libjpeg62-turbo-dev libfreetype-dev libfontconfig-dev
  libavformat-dev libavcodec-dev libavfilter-dev libavutil-dev libswscale-dev
  fonts-inter fonts-dejavu-core fonts-noto-cjk catch2"
test_packages="xvfb xauth poppler-utils"

install_missing() {
  command -v dpkg-query >/dev/null 2>&1 || { say "this is not a Debian system: install the packages named in packaging/setup.sh by hand"; return 0; }
  missing=""
  for package in "$@"; do
    state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  say "installing:$missing"
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { say "these Debian packages are missing and there is no sudo to install them:$missing"; exit 1; }
    as_root=sudo
  fi
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2
}

# build TARGET: the program alone ("orrery") or everything with the tests ("all").
build() {
  say "building $1 (build/$preset)"
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
  cmake --build --preset "$preset" --target "$1" >&2
}
