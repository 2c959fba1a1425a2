#!/bin/sh
# Installs what is missing, builds, and opens Orrery. Arguments go to the program: sh packaging/run.sh model.safetensors
# Without a display it draws the labs' default figures into ./orrery-out instead.
set -eu
cd "$(dirname "$0")/.."
preset=release
. packaging/setup.sh
# shellcheck disable=SC2086
install_missing $packages
build orrery
orrery="build/$preset/orrery"

say "device: $("$orrery" devices | head -n 1)"
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  exec "$orrery" "$@"
fi

say "no display (DISPLAY and WAYLAND_DISPLAY are unset): drawing the labs' default figures into orrery-out/ instead"
mkdir -p orrery-out
"$orrery" labs | while read -r lab title; do
  name=$(printf '%s' "$lab" | tr '/' '-')
  "$orrery" render "$lab" -o "orrery-out/$name.svg" >/dev/null
  printf '%s\n' "orrery-out/$name.svg"
done
