#!/bin/sh
# Extract MediaPipe's face mesh (Apache-2.0), which is used to measure training faces, from MediaPipe's wheel.
set -eu
target=$1
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip download --disable-pip-version-check --quiet --no-deps --dest "$folder" --only-binary=:all: \
    --platform manylinux_2_28_x86_64 --python-version 311 --implementation cp 'mediapipe==0.10.21'
"$python" -m zipfile -e "$folder"/mediapipe-*.whl "$folder/wheel"
mesh=$folder/wheel/mediapipe/modules/face_landmark/face_landmark.tflite
echo "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814  $mesh" | sha256sum --check --quiet
mkdir -p "$(dirname "$target")"
cp "$mesh" "$target"
