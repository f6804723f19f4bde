#!/usr/bin/env bash
# mkimg.sh NAME:TAG FOLDER 'JSON entry point' OUT.tar [UID:GID]
# Packs a folder as a container image of one layer (docker-archive) for `ctr images import`.
set -euo pipefail
ref=$1 root=$2 entry=$3 out=$4 user=${5:-}
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$w/layer.tar" .
digest=$(sha256sum "$w/layer.tar" | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","created":"1970-01-01T00:00:00Z","config":{"User":"%s","Entrypoint":%s,"Env":["PATH=/usr/local/bin:/bin:/usr/bin"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created_by":"mkimg"}]}' \
  "$user" "$entry" "$digest" >"$w/config.json"
config=$(sha256sum "$w/config.json" | cut -d' ' -f1)
mv "$w/config.json" "$w/$config.json"
printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$config" "$ref" >"$w/manifest.json"
tar -C "$w" -cf "$out.part" manifest.json "$config.json" layer.tar
mv "$out.part" "$out"
