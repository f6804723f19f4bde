#!/usr/bin/env bash
# Ends what up.sh started, by its own records, and removes mounts, namespace and state. What was
# built stays.
set -uo pipefail
. "$(dirname "$0")/env.sh"
LINK=wk8s

# end NAME: the process group on record, first politely.
end() {
  local pid
  [ -f "$RUN/pid/$1" ] || return 0
  pid=$(cat "$RUN/pid/$1")
  kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null
  for _ in $(seq 50); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL -- "-$pid" 2>/dev/null
  rm -f "$RUN/pid/$1"
}

if [ -S "$RUN/containerd.sock" ]; then # Pods first, while containerd can still end them
  ctr_() { timeout 20 ctr -a "$RUN/containerd.sock" -n k8s.io "$@" 2>/dev/null; }
  end kubelet
  for _ in 1 2 3; do
    for task in $(ctr_ tasks ls -q); do ctr_ tasks kill -s KILL "$task" >/dev/null; done
    sleep 0.5
    for task in $(ctr_ tasks ls -q); do ctr_ tasks rm -f "$task" >/dev/null; done
  done
  for container in $(ctr_ containers ls -q); do ctr_ containers rm "$container" >/dev/null; done
fi
for name in kube-proxy kubelet kube-scheduler kube-controller-manager kube-apiserver containerd etcd; do
  end "$name"
done
if [ -d "$RUN" ]; then
  grep -oE " $RUN/[^ ]+" /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
fi
if [ -f "$STATE/sysctl.saved" ]; then
  sysctl -qp "$STATE/sysctl.saved" && rm -f "$STATE/sysctl.saved"
  for folder in /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods; do
    [ -d "$folder" ] && find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
  done
fi
ip link del $LINK-h 2>/dev/null
ip netns del "$NS" 2>/dev/null
rm -rf "$RUN"
true
