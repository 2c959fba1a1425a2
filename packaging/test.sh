#!/bin/sh
# Installs what is missing, builds, and runs all tests. Arguments go to ctest: sh packaging/test.sh -R kernels
set -eu
cd "$(dirname "$0")/.."
preset="${ORRERY_PRESET:-release}"
. packaging/setup.sh
# shellcheck disable=SC2086
install_missing $packages $test_packages
build all
say "testing"
ctest --preset "$preset" --parallel "$(nproc)" "$@"
