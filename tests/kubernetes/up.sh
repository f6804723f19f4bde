#!/usr/bin/env bash
# Brings up Kubernetes: etcd, API server (RBAC on), controller manager, scheduler, and one real node
# (containerd, runc, kubelet, kube-proxy, cluster DNS), all in a network namespace of their own that
# a pair of interfaces joins to this machine: https://10.250.0.1:26443 for whoever has
# build/kubernetes/run/admin.kubeconfig. Nothing leaves the machine. Does nothing when it is up.
set -euo pipefail
. "$(dirname "$0")/env.sh"
API=26443 ETCD=23790 IP=10.250.0.1 LINK=wk8s
IN="nsenter --net=/run/netns/$NS" # not `ip netns exec`, which hides the cgroups

[ "$(id -u)" = 0 ] || die "root is missing: a node is made of namespaces and mounts"
for program in etcd containerd runc ctr iptables conntrack ip nsenter openssl setsid curl; do
  case $program in
    etcd) package=etcd-server ;; ctr) package=containerd ;; ip) package=iproute2 ;;
    nsenter | setsid) package=util-linux ;; *) package=$program ;;
  esac
  need $program "apt-get install $package"
done
[ -x /usr/lib/cni/bridge ] || die "the CNI plug-ins are missing: apt-get install containernetworking-plugins"
for program in kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
  [ -x "$BIN/$program" ] || die "$program is missing: tests/kubernetes/build.sh makes it"
done
for image in pause coredns operator "ray-$RAY_VERSION"; do
  [ -f "$IMG/$image.tar" ] || die "the image $image is missing: tests/kubernetes/images.sh makes it"
done

if kubectl get node node1 2>/dev/null | grep -qw Ready; then
  say "is up"
  exit 0
fi
"$HERE/down.sh" # what an interrupted run may have left
mkdir -p "$RUN"/{pki,log,pid,etcd,manifests,cni,containerd,kubelet}
cd "$RUN"

# start NAME COMMAND...: in the namespace, with its log and process group on record.
start() {
  local name=$1
  shift
  nohup setsid $IN "$@" >"$RUN/log/$name.log" 2>&1 </dev/null &
  echo $! >"$RUN/pid/$name"
}

network() {
  ip netns add "$NS"
  ip link add $LINK-h type veth peer name $LINK-n
  ip link set $LINK-n netns "$NS"
  ip addr replace 10.250.0.2/30 dev $LINK-h
  ip link set $LINK-h up
  $IN ip link set lo up
  $IN ip addr replace $IP/30 dev $LINK-n
  $IN ip link set $LINK-n up
  $IN ip route replace default via 10.250.0.2 # they want a default route; this machine forwards nothing
  $IN sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
}

# certificate NAME SUBJECT EXTENSION, signed by the one authority there is
certificate() {
  openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "pki/$1.key" -out "pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "pki/$1.csr" -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 30 \
    -out "pki/$1.crt" -extfile <(printf '%s' "$3") 2>/dev/null
}

certificates() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=kubernetes-test-ca \
    -keyout pki/ca.key -out pki/ca.crt 2>/dev/null
  local names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
  names+=,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$IP,IP:10.96.0.1
  certificate apiserver /CN=kube-apiserver "subjectAltName=$names"
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client extendedKeyUsage=clientAuth
  certificate kubelet /O=system:nodes/CN=system:node:node1 "subjectAltName=DNS:node1,IP:127.0.0.1,IP:$IP"
  openssl genrsa -out pki/sa.key 2048 2>/dev/null
  openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2>/dev/null
}

# user NAME TOKEN USER GROUPS: a line for the API server and a kubeconfig
user() {
  echo "$2,$3,$1${4:+,\"$4\"}" >>tokens.csv
  cat >"$1.kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$IP:$API", certificate-authority: $RUN/pki/ca.crt}}]
users: [{name: $1, user: {token: $2}}]
contexts: [{name: test, context: {cluster: test, user: $1, namespace: default}}]
current-context: test
K
}

control_plane() {
  user admin "$(openssl rand -hex 16)" admin system:masters
  user controllers "$(openssl rand -hex 16)" system:kube-controller-manager
  user scheduler "$(openssl rand -hex 16)" system:kube-scheduler
  user kubelet "$(openssl rand -hex 16)" system:node:node1 system:nodes
  user proxy "$(openssl rand -hex 16)" system:kube-proxy
  local at=http://127.0.0.1
  start etcd etcd --data-dir "$RUN/etcd" --listen-client-urls $at:$ETCD --advertise-client-urls $at:$ETCD \
    --listen-peer-urls $at:$((ETCD + 1)) --initial-advertise-peer-urls $at:$((ETCD + 1)) \
    --initial-cluster default=$at:$((ETCD + 1)) --unsafe-no-fsync
  start kube-apiserver "$BIN/kube-apiserver" --etcd-servers=$at:$ETCD --bind-address=0.0.0.0 \
    --secure-port=$API --advertise-address=$IP --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key \
    --client-ca-file=pki/ca.crt --token-auth-file=tokens.csv --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --service-account-key-file=pki/sa.pub \
    --service-account-signing-key-file=pki/sa.key \
    --service-account-issuer=https://kubernetes.default.svc \
    --kubelet-client-certificate=pki/kubelet-client.crt --kubelet-client-key=pki/kubelet-client.key \
    --kubelet-preferred-address-types=InternalIP --allow-privileged=true --profiling=false
  poll 180 "the API server (log: $RUN/log/kube-apiserver.log)" kubectl get --raw /readyz
  start kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig=controllers.kubeconfig \
    --authentication-kubeconfig=controllers.kubeconfig \
    --authorization-kubeconfig=controllers.kubeconfig --bind-address=127.0.0.1 \
    --secure-port=$((API + 1)) --service-account-private-key-file=pki/sa.key \
    --root-ca-file=pki/ca.crt --use-service-account-credentials=true --leader-elect=false \
    --allocate-node-cidrs=true --cluster-cidr=10.244.0.0/16 --service-cluster-ip-range=10.96.0.0/16 \
    --cluster-signing-cert-file=pki/ca.crt --cluster-signing-key-file=pki/ca.key
  start kube-scheduler "$BIN/kube-scheduler" --kubeconfig=scheduler.kubeconfig \
    --authentication-kubeconfig=scheduler.kubeconfig --authorization-kubeconfig=scheduler.kubeconfig \
    --bind-address=127.0.0.1 --secure-port=$((API + 2)) --leader-elect=false
  poll 120 "the controller manager (log: $RUN/log/kube-controller-manager.log)" \
    kubectl -n default get serviceaccount default
  say "control plane $(kubectl version -o json | sed -n '/serverVersion/,$s/.*gitVersion": "\(.*\)".*/\1/p')"
}

containerd_() {
  cat >containerd.toml <<T
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
disabled_plugins = ["io.containerd.internal.v1.opt","io.containerd.snapshotter.v1.btrfs","io.containerd.snapshotter.v1.zfs","io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "$RUN/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true   # without CAP_SYS_RESOURCE runc cannot write a lower one
  sandbox_image = "registry.local/pause:1"
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$RUN/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$(command -v runc)"
T
  cat >cni/10-bridge.conflist <<T
{"cniVersion":"0.4.0","name":"windlass","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,
  "ipam":{"type":"host-local","dataDir":"$RUN/cni/ipam","ranges":[[{"subnet":"10.244.0.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
T
  start containerd containerd -c containerd.toml
  poll 60 "containerd (log: $RUN/log/containerd.log)" ctr -a "$RUN/containerd.sock" version
  local image
  for image in pause coredns operator "ray-$RAY_VERSION"; do
    ctr -a "$RUN/containerd.sock" -n k8s.io images import "$IMG/$image.tar" >>log/import.log 2>&1 ||
      die "the image $image could not be imported: see $RUN/log/import.log"
  done
}

node() {
  cat >kubelet.yaml <<T
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $IP
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $RUN/pki/kubelet.crt
tlsPrivateKeyFile: $RUN/pki/kubelet.key
cgroupDriver: cgroupfs
cgroupRoot: /
containerRuntimeEndpoint: unix://$RUN/containerd.sock
staticPodPath: $RUN/manifests
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
failSwapOn: false
resolvConf: ""
port: 26450
healthzPort: 26451
readOnlyPort: 0
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
enforceNodeAllocatable: [pods]
podLogsDir: $RUN/podlogs
T
  # The kubelet writes these for the whole machine; down.sh puts them back.
  sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys \
    kernel.keys.root_maxbytes | tr -d ' ' >"$STATE/sysctl.saved"
  start kubelet "$BIN/kubelet" --config=kubelet.yaml --kubeconfig=kubelet.kubeconfig \
    --root-dir="$RUN/kubelet" --hostname-override=node1 --node-ip=$IP --v=2
  ready() { kubectl get node node1 | grep -qw Ready; }
  poll 180 "the node (log: $RUN/log/kubelet.log)" ready
  kubectl create clusterrolebinding windlass:kube-proxy --clusterrole=system:node-proxier \
    --user=system:kube-proxy >/dev/null
  start kube-proxy "$BIN/kube-proxy" --kubeconfig=proxy.kubeconfig --proxy-mode=iptables \
    --hostname-override=node1 --cluster-cidr=10.244.0.0/16 --conntrack-max-per-core=0 \
    --healthz-bind-address=127.0.0.1:26452 --metrics-bind-address=127.0.0.1:26453
  kubectl apply --server-side -f "$HERE/dns.yaml" >/dev/null
  kubectl -n kube-system rollout status deploy/coredns --timeout=120s >/dev/null ||
    die "the cluster's DNS did not start"
}

certificates
network
control_plane
containerd_
node
say "node and DNS are ready"
