"""Builds the plugin for the wheel, the library inside it, and puts it where VapourSynth's wheel looks for plugins.

It works in a checkout: the library is built from the folder two above."""

import os
import subprocess
import sysconfig
from pathlib import Path

import vapoursynth
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PluginHook(BuildHookInterface):
    def initialize(self, version, build_data):
        root = Path(self.root).resolve().parents[1]
        target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")).resolve()
        build = target / "vapoursynth" / "wheel"
        headers = Path(vapoursynth.__file__).parent / "pkgconfig"
        search = [str(target / "pkgconfig"), str(headers), os.environ.get("PKG_CONFIG_PATH", "")]
        environment = {**os.environ, "PKG_CONFIG_PATH": ":".join(filter(None, search))}
        subprocess.run(["make", "-C", root, "pc"], check=True)
        subprocess.run(["make", "-C", self.root, f"BUILD={build}", "STATIC=1"], check=True, env=environment)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][str(build / "vs-sidelight.so")] = "vapoursynth/plugins/vs-sidelight.so"
