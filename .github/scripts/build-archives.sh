#!/usr/bin/env bash
# Builds every image of docker/Dockerfile for one architecture and writes each as an OCI archive, with its SBOM and the
# provenance of the build inside.
#
#   ARCH=amd64 OUT=folder ./.github/scripts/build-archives.sh
#
# Needs buildx with a builder of its own (`docker buildx create --use`): the engine's builder cannot write archives.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${ARCH:?say for which architecture: amd64 or arm64}" "${OUT:?say where the archives shall go}"
mkdir -p "$OUT"

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
if [[ "${GITHUB_REF:-}" == refs/tags/v* && "${GITHUB_REF#refs/tags/v}" != "$version" ]]; then
  echo "build-archives: the tag is ${GITHUB_REF#refs/tags/}, but Cargo.toml says version $version: change one of them" >&2
  exit 1
fi
revision=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) # times inside the images: the commit's
export SOURCE_DATE_EPOCH

# The images are the Dockerfile's targets that have an entry point.
mapfile -t images < <(awk 'toupper($1) == "FROM" {name = $NF} toupper($1) == "ENTRYPOINT" {print name}' docker/Dockerfile)
((${#images[@]})) || { echo "build-archives: docker/Dockerfile has no target with an entry point" >&2; exit 1; }

for image in "${images[@]}"; do
  echo "== $image for $ARCH"
  docker buildx build --file docker/Dockerfile --target "$image" --platform "linux/$ARCH" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
    --build-arg "SOURCE=${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:-}" \
    --provenance mode=max --sbom true \
    --output "type=oci,dest=$OUT/$image-$ARCH.tar" .
done
