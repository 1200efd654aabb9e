"""Puts the plugin, with the library inside, where VapourSynth's wheel looks for plugins."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Plugin(BuildHookInterface):
    def initialize(self, version, build_data):
        here = Path(self.root)
        root = here.parents[1]
        target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target").resolve()
        build = target / "vapoursynth/wheel"
        ask = [sys.executable, "-m", "vapoursynth", "get-pkgconfig-dir"]
        headers = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
        paths = [str(target / "pkgconfig"), headers, os.environ.get("PKG_CONFIG_PATH", "")]
        env = {**os.environ, "PKG_CONFIG_PATH": ":".join(filter(None, paths))}
        # Of a make that pip runs under.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            env.pop(name, None)
        # Packages of the system are not pip's to install.
        subprocess.run(["make", "-C", root, "pc", "SETUP=true"], check=True, env=env, stdout=sys.stderr)
        subprocess.run(["make", "-C", here, "STATIC=1", f"BUILD={build}"], check=True, env=env, stdout=sys.stderr)
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
        name = "vs-sidelight.so"
        build_data["force_include"] = {str(build / name): f"vapoursynth/plugins/{name}"}
