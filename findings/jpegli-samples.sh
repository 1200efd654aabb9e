#!/bin/sh
# jpegli's decoder speaks libjpeg's API, but does not give libjpeg's samples: of a gray baseline file it gives other
# values in three of five places, by up to 11 levels at quality 20. They are nearer to the original (0.1 to 0.6 dB here), but
# whoever wants the same samples from each decoder (a payload or a delta that is bound to decoded samples, a filter that
# was trained on them, a test that compares pictures) must not take it for a drop-in.
#
# ajpegli 1.0.0 (jpegli 7cdf2127) against simplejpeg 1.9.0 (libjpeg-turbo); 2026-11-30.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -q ajpegli==1.0.0 simplejpeg==1.9.0 numpy==2.4.6
"$work/env/bin/python" - <<'P'
import ajpegli, numpy as np, simplejpeg

x, y = np.meshgrid(np.arange(256), np.arange(192))
noise = np.random.default_rng(1).normal(0, 12, x.shape)
picture = 128 + 60 * np.sin(x / 9) * np.cos(y / 13) + 40 * ((x // 32 + y // 32) % 2) - 20 + noise
picture = picture.clip(0, 255).astype(np.uint8)[:, :, None]
fault = 0
for quality in (20, 90):
    file = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=quality, colorspace="GRAY")
    turbo = simplejpeg.decode_jpeg(file, "GRAY")[:, :, 0].astype(int)
    jpegli = ajpegli.decode(file, mode="L").astype(int).reshape(turbo.shape)
    d = abs(turbo - jpegli)
    psnr = [10 * np.log10(255**2 / ((a - picture[:, :, 0].astype(int)) ** 2).mean()) for a in (turbo, jpegli)]
    print(f"quality {quality}: {100 * (d > 0).mean():.1f} % of samples differ, by up to {d.max()};"
          f" PSNR {psnr[0]:.2f} (libjpeg-turbo), {psnr[1]:.2f} (jpegli)")
    fault |= d.max() <= 1 or psnr[1] <= psnr[0]
raise SystemExit(int(fault))
P
echo "as described"
