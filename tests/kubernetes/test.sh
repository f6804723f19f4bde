#!/usr/bin/env bash
# test.sh WINDLASS: brings up a real Kubernetes on this machine, runs cluster_test.py against it,
# takes it down. KEEP=1 leaves it up (down.sh takes it down), for another run or a look.
set -euo pipefail
export WINDLASS
WINDLASS=$(readlink -f "$1")
. "$(dirname "$0")/env.sh"
"$HERE/build.sh"
PYTHON=$(command -v python3.11) || die "python3.11 is missing: the image's Python, for which the wheel is made"
export PYTHON
# The wheel is of the same source as the command, or driver and workers would refuse each other.
"$ROOT/scripts/package.sh" "$PYTHON"
WINDLASS_WHEEL=$(ls -t "$ROOT"/build/packages/windlass-*-cp311-*.whl | head -1)
export WINDLASS_WHEEL
"$HERE/images.sh"
[ "${KEEP:-0}" = 1 ] || trap '"$HERE/down.sh"' EXIT
"$HERE/up.sh"
ctr -a "$RUN/containerd.sock" -n k8s.io images import "$IMG/ray-windlass.tar" >>"$RUN/log/import.log" 2>&1 ||
  die "the image with Windlass could not be imported: see $RUN/log/import.log"
# The operator as an administrator may have it without Helm, and the same as a chart.
module=$(go mod download -json "github.com/ray-project/kuberay/ray-operator@v$KUBERAY_VERSION" |
  sed -n 's/.*"Dir": "\(.*\)",/\1/p')
kubectl kustomize "$module/config/default" >"$RUN/kuberay.yaml"
export KUBERAY_MANIFEST=$RUN/kuberay.yaml KUBERAY_CRDS=$module/config/crd/bases
export KUBERAY_VERSION RAY_IMAGE=registry.local/ray:$RAY_VERSION RAY_VERSION
export WINDLASS_IMAGE=registry.local/ray-windlass:$RAY_VERSION
export NODE_NAMESPACE=/run/netns/$NS CONTAINERD=$RUN/containerd.sock
PYTHONDONTWRITEBYTECODE=1 python3 "$HERE/cluster_test.py" "${@:2}"
