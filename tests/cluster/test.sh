#!/usr/bin/env bash
# Faults of a Ray cluster on network namespaces of this machine: test.sh BUILD. Needs root.
# REPEAT=100 kills workers at that many random moments.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "test-cluster: needs root, for network namespaces" >&2; exit 1; }
for program in ip tc; do
  command -v "$program" > /dev/null ||
    { echo "test-cluster: $program is missing (apt-get install iproute2)" >&2; exit 1; }
done
[ -w /sys/fs/cgroup/memory ] ||
  { echo "test-cluster: no memory control groups (version 1) in /sys/fs/cgroup" >&2; exit 1; }
exec "$(dirname "$0")/../ray/test.sh" "$1" ../cluster/faults_test.py
