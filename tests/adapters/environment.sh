#!/bin/bash
# Makes the environment at $1 with mmdetection and detectron2, by the uv at $2. Compiles mmcv's operators for the
# CPU: half an hour on two cores. Needs g++ 10 or newer.
set -euo pipefail
folder=$(realpath -m "$1") uv=$2 here=$(dirname "$(realpath "$0")")

"$uv" venv --quiet --allow-existing --python 3.11 "$folder"
python=$folder/bin/python
"$uv" pip install --quiet --python "$python" -r "$here/requirements.txt"

# torch's headers need C++20; mmcv's build asks for less.
cat >"$folder/bin/c++20" <<'END'
#!/bin/bash
exec g++ "${@/-std=c++1[47]/-std=c++20}"
END
chmod +x "$folder/bin/c++20"
export CXX=$folder/bin/c++20 CC=gcc MMCV_WITH_OPS=1 FORCE_CUDA=0 OMP_NUM_THREADS=1 PATH=$folder/bin:$PATH
"$uv" pip install --quiet --python "$python" --no-build-isolation --no-deps mmcv==2.1.0 mmdet==3.3.0

# The registry's detectron2 comes without the sources of its compiled operators (rotated boxes, deformable
# convolutions): it cannot be installed, only unpacked, and an empty module takes the operators' place, since
# nothing here calls them.
if ! "$python" -W ignore -c "import detectron2" 2>/dev/null; then
    lock=$(echo "detectron2-cdo==0.5" | "$uv" pip compile - --quiet --no-deps --no-build-isolation \
        --python "$python" --format pylock.toml)
    "$python" - "$folder/sources" <<END
import hashlib, pathlib, sys, sysconfig, tarfile, tomllib, urllib.request

(package,) = tomllib.loads("""$lock""")["packages"]
content = urllib.request.urlopen(package["sdist"]["url"]).read()
assert hashlib.sha256(content).hexdigest() == package["sdist"]["hashes"]["sha256"]
folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)
(folder / "detectron2.tar.gz").write_bytes(content)
tarfile.open(folder / "detectron2.tar.gz").extractall(folder, filter="data")
(package,) = folder.glob("*/detectron2")
(package / "_C.py").write_text("")
pathlib.Path(sysconfig.get_path("purelib"), "detectron2.pth").write_text(f"{package.parent}\n")
END
fi
