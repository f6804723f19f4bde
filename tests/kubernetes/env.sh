# Sourced by the scripts beside it: where things are.
# What is built is kept in build/kubernetes ($WINDLASS_KUBERNETES): bin/, img/ and work/ may be
# cached; run/ is the state of the cluster that is up.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
STATE=${WINDLASS_KUBERNETES:-$ROOT/build/kubernetes}
BIN=$STATE/bin
IMG=$STATE/img
WORK=$STATE/work
RUN=$STATE/run
LOG=$STATE/log
NS=windlass-k8s # the network namespace of the node
mkdir -p "$BIN" "$IMG" "$WORK" "$LOG"
export PATH=$BIN:$PATH
export KUBECONFIG=$RUN/admin.kubeconfig

KUBERNETES_VERSION=1.34.4
KUBERAY_VERSION=1.5.1
HELM_VERSION=3.19.5
COREDNS_VERSION=1.14.7
RAY_VERSION=${RAY_VERSION:-2.60.0}

say() { echo "kubernetes: $* (${SECONDS} s)"; }
die() {
  echo "kubernetes: $*" >&2
  exit 1
}

# need COMMAND HINT: the name of what is missing, and how it is got.
need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }

# poll SECONDS WHAT COMMAND...: until the command succeeds; every wait has an end.
poll() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what did not come within the time given"
    sleep 0.2
  done
}
