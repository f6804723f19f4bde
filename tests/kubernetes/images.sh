#!/usr/bin/env bash
# The images that the node runs, hand-packed into build/kubernetes/img: the pause container, CoreDNS,
# the KubeRay operator, and Debian 12 with real Ray. There is no registry: the node imports them.
# What is there already is kept. From nothing: a minute or two, and downloads of 250 MB.
set -euo pipefail
. "$(dirname "$0")/env.sh"
python_folder=usr/local/lib/python3.11/dist-packages # on Debian's sys.path

pause() {
  [ -f "$IMG/pause.tar" ] && return 0
  local w
  w=$(mktemp -d)
  gcc -Os -static -s -o "$w/pause" -xc - <<'C'
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void Die(int signal) { exit(0); }
static void Reap(int signal) { while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main() { signal(SIGINT, Die); signal(SIGTERM, Die); signal(SIGCHLD, Reap); for (;;) pause(); }
C
  "$HERE/mkimg.sh" registry.local/pause:1 "$w" '["/pause"]' "$IMG/pause.tar"
  rm -rf "$w"
}

# one_program IMAGE:TAG PROGRAM NAME-IN-IMAGE OUT [UID:GID]
one_program() {
  [ -f "$IMG/$4" ] && return 0
  local w
  w=$(mktemp -d)
  mkdir -p "$w/tmp" "$w/etc/ssl"
  chmod 1777 "$w/tmp"
  cp "$BIN/$2" "$w/$3"
  "$HERE/mkimg.sh" "$1" "$w" "[\"/$3\"]" "$IMG/$4" "${5:-}"
  rm -rf "$w"
}

# Debian with what Ray and KubeRay's probes need (bash, wget); the part that stays between images.
base() {
  [ -f "$WORK/bookworm.tar" ] && return 0
  say "Debian 12 by debootstrap"
  local r=$WORK/root mirror
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' | awk '$1=="bookworm"{print $2; exit}')
  rm -rf "$r"
  debootstrap --variant=minbase --include=python3,ca-certificates,procps,wget bookworm "$r" \
    "${DEBIAN_MIRROR:-${mirror:-http://deb.debian.org/debian}}" >"$LOG/debootstrap.log" 2>&1 ||
    die "debootstrap failed: see $LOG/debootstrap.log"
  rm -rf "$r"/var/cache/apt "$r"/var/lib/apt/lists/* "$r"/usr/share/{doc,man,info,locale,python-wheels} \
    "$r"/var/log/* "$r"/var/cache/debconf "$r"/dev "$r"/proc "$r"/sys
  mkdir -p "$r"/{dev,proc,sys,home/ray}
  ln -sf python3 "$r/usr/bin/python"
  echo 'ray:x:1000:1000::/home/ray:/bin/bash' >>"$r/etc/passwd"
  echo 'ray:x:1000:' >>"$r/etc/group"
  chmod 1777 "$r/home/ray" "$r/tmp" # mkimg.sh gives all to user 0
  tar -C "$r" -cf "$WORK/bookworm.tar.part" .
  mv "$WORK/bookworm.tar.part" "$WORK/bookworm.tar"
  rm -rf "$r"
}

ray() {
  local out=$IMG/ray-$RAY_VERSION.tar r=$WORK/root extras=default,serve
  [ -f "$out" ] && [ "$(cat "$IMG/ray.extras" 2>/dev/null)" = $extras ] && return 0
  base
  say "Ray $RAY_VERSION by pip"
  rm -rf "$r" && mkdir "$r" && tar -C "$r" -xf "$WORK/bookworm.tar"
  python3 -m pip install -q --no-warn-conflicts --root-user-action=ignore --target "$r/$python_folder" \
    --no-compile --python-version 3.11 --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
    --platform any --only-binary=:all: "ray[$extras]==$RAY_VERSION"
  mkdir -p "$r/usr/local/bin"
  mv "$r/$python_folder"/bin/* "$r/usr/local/bin/"
  grep -lIE '^#!.*python' "$r"/usr/local/bin/* | xargs sed -i '1s@^#!.*@#!/usr/bin/python3@' # pip wrote ours
  rm -rf "$r/$python_folder/ray/jars" # of Java workers
  # mkimg.sh sets every time to 0, and the Pod's user may not write: byte code bound to a time would
  # be made again at each start. Ray aborts without urandom, also in a bare chroot.
  mknod -m 666 "$r/dev/urandom" c 1 9
  mknod -m 666 "$r/dev/null" c 1 3
  chroot "$r" python3 -m compileall -q -f --invalidation-mode unchecked-hash \
    /usr/lib/python3.11 /usr/lib/python3 "/$python_folder" >"$LOG/compileall.log" 2>&1 || true # a few vendored tests do not compile
  chroot "$r" python3 -c 'import ray; print("kubernetes: image with Ray", ray.__version__)'
  rm -f "$r"/dev/*
  "$HERE/mkimg.sh" "registry.local/ray:$RAY_VERSION" "$r" '["/bin/bash","-c"]' "$out" 1000:1000
  rm -rf "$r" "$IMG/ray-windlass.wheel" # what was made from the one before
  echo $extras >"$IMG/ray.extras"
}

# The same with Windlass: the wheel that is given.
with_windlass() {
  local wheel=$1 out=$IMG/ray-windlass.tar stamp=$IMG/ray-windlass.wheel r=$WORK/root
  [ -f "$out" ] && [ "$(sha256sum <"$wheel")" = "$(cat "$stamp" 2>/dev/null)" ] && return 0
  say "the image with $(basename "$wheel")"
  rm -rf "$r" && mkdir "$r"
  tar -xOf "$IMG/ray-$RAY_VERSION.tar" layer.tar | tar -C "$r" -x
  python3 -m pip install -q --no-warn-conflicts --root-user-action=ignore --target "$r/$python_folder" \
    --no-compile --upgrade --only-binary=:all: "$wheel" numpy==2.4.6
  mv "$r/$python_folder"/bin/windlass "$r/usr/local/bin/"
  sed -i '1s@^#!.*@#!/usr/bin/python3@' "$r/usr/local/bin/windlass"
  mknod -m 666 "$r/dev/urandom" c 1 9
  mknod -m 666 "$r/dev/null" c 1 3
  chroot "$r" python3 -m compileall -q -f --invalidation-mode unchecked-hash \
    "/$python_folder"/{windlass,numpy} >>"$LOG/compileall.log" 2>&1 || true
  chroot "$r" windlass --version
  rm -f "$r"/dev/*
  "$HERE/mkimg.sh" "registry.local/ray-windlass:$RAY_VERSION" "$r" '["/bin/bash","-c"]' "$out" 1000:1000
  rm -rf "$r"
  sha256sum <"$wheel" >"$stamp"
}

need debootstrap "apt-get install debootstrap"
need gcc "apt-get install gcc"
python3 -m pip --version >/dev/null 2>&1 || die "pip is missing: apt-get install python3-pip"
[ "$(id -u)" = 0 ] || die "root is missing: images are made by chroot"
pause
if [ "${1:-}" != ray ]; then
  one_program registry.local/coredns:1 coredns coredns coredns.tar
  # Its manifests want a user by number, and the program under this name.
  one_program "quay.io/kuberay/operator:v$KUBERAY_VERSION" kuberay-operator manager operator.tar 65532:65532
fi
ray
[ -z "${WINDLASS_WHEEL:-}" ] || with_windlass "$WINDLASS_WHEEL"
say "images: $(ls "$IMG" | tr '\n' ' ')"
