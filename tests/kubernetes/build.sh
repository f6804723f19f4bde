#!/usr/bin/env bash
# Kubernetes, the KubeRay operator, helm and CoreDNS from Go modules into build/kubernetes/bin.
# What is there already is kept. From nothing: 12 to 20 minutes of CPU.
set -euo pipefail
. "$(dirname "$0")/env.sh"

need go "install Go 1.24 or later (https://go.dev/dl)"
export CGO_ENABLED=0 GOFLAGS=${GOFLAGS:-} GOTOOLCHAIN=local

# module_folder MODULE@VERSION: where Go unpacked it.
module_folder() { go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)",/\1/p'; }

kubernetes() {
  local missing=() name version=$KUBERNETES_VERSION folder
  for name in kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
    [ -x "$BIN/$name" ] || missing+=("k8s.io/kubernetes/cmd/$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "building ${missing[*]##*/} $version"
  mkdir -p "$WORK/kubernetes" && cd "$WORK/kubernetes"
  folder=$(module_folder "k8s.io/kubernetes@v$version")
  { # its own go.mod replaces its parts by folders; here they are modules
    printf 'module local/kubernetes\n\ngo 1.24.0\n\ngodebug default=go1.24\n\n'
    printf 'require k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
    sed -n 's#^\t\(k8s.io/[a-z-]*\) => ./staging/.*#\t\1 => \1 v0.'"${version#1.}"'#p' "$folder/go.mod"
    echo ')'
  } >go.mod
  cp "$folder/go.sum" go.sum
  local x=k8s.io/component-base/version
  nice go build -mod=mod -trimpath \
    -ldflags "-s -w -X $x.gitVersion=v$version -X $x.gitMajor=1 -X $x.gitMinor=$(echo "$version" | cut -d. -f2) -X $x.gitTreeState=clean" \
    -o "$BIN/" "${missing[@]}"
}

# from_module NAME MODULE@VERSION PACKAGE LDFLAGS: built in a copy, as its own go.mod wants it.
from_module() {
  [ -x "$BIN/$1" ] && return 0
  say "building $1 (${2##*@})"
  rm -rf "${WORK:?}/$1"
  cp -r "$(cd "$WORK" && module_folder "$2")" "$WORK/$1"
  chmod -R u+w "$WORK/$1"
  (cd "$WORK/$1" && nice go build -trimpath -ldflags "-s -w $4" -o "$BIN/$1" "$3")
  rm -rf "${WORK:?}/$1"
}

# Only the plug-ins that a cluster without an upstream needs.
coredns() {
  [ -x "$BIN/coredns" ] && return 0
  say "building coredns $COREDNS_VERSION"
  rm -rf "$WORK/coredns" && mkdir -p "$WORK/coredns" && cd "$WORK/coredns"
  {
    printf 'package main\n\nimport (\n\t"github.com/coredns/coredns/core/dnsserver"\n'
    printf '\t"github.com/coredns/coredns/coremain"\n'
    printf '\t_ "github.com/coredns/coredns/plugin/%s"\n' \
      bind cache errors health kubernetes log ready template
    printf ')\n\nfunc main() {\n\tdnsserver.Directives = []string{"bind", "health", "ready", '
    printf '"errors", "log", "cache", "template", "kubernetes"}\n\tcoremain.Run()\n}\n'
  } >main.go
  {
    go mod init local/coredns
    go get "github.com/coredns/coredns@v$COREDNS_VERSION"
    go mod tidy
  } >"$LOG/coredns-build.log" 2>&1 || die "CoreDNS: see $LOG/coredns-build.log"
  nice go build -trimpath -ldflags "-s -w" -o "$BIN/coredns" .
}

kubernetes
from_module kuberay-operator "github.com/ray-project/kuberay/ray-operator@v$KUBERAY_VERSION" . ""
from_module helm "helm.sh/helm/v3@v$HELM_VERSION" ./cmd/helm \
  "-X helm.sh/helm/v3/internal/version.version=v$HELM_VERSION"
coredns
say "built: $(ls "$BIN" | tr '\n' ' ')"
