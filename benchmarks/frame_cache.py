"""Forms of a cache of 64 frames a reel: bytes, samples a second and core, and what is lost.

    python benchmarks/frame_cache.py --video reel.mp4 --out benchmarks/results/frame_cache.json

Without a video, of a game that openbasket renders. One sample is all 64 frames of a reel, short side 224, as
one array. ``openbasket`` rows are the cache's own entries with their checks; the others are bare calls of the
libraries, held in memory (the array on disk is in the page cache). Forms take turns; medians of CPU time.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from reading import rendered

from openbasket.video.cache import FrameCache
from openbasket.video.frames import Uniform, frames_at
from openbasket.video.recording import Taking

COUNT, SIDE, REELS = 64, 224, 32_232
Form = tuple[int, Callable[[], np.ndarray]]


def forms(video: Path, folder: Path) -> dict[str, Form]:
    """Each form: bytes of a reel, and what reads them."""
    pixels = frames_at(video, Uniform(COUNT), SIDE).pixels
    cache = FrameCache(folder)
    made: dict[str, Form] = {}
    for name, taking in {
        "openbasket, jpeg q90": Taking(COUNT, SIDE),
        "openbasket, jpeg q95": Taking(COUNT, SIDE, quality=95),
        "openbasket, raw": Taking(COUNT, SIDE, format="raw"),
    }.items():
        entry = cache.add(video, taking)
        made[name] = entry.path.stat().st_size, entry.read

    def coded(encode: Callable[[np.ndarray], bytes], decode: Callable[[bytes], np.ndarray]) -> Form:
        held = [encode(picture) for picture in pixels]
        return sum(map(len, held)), lambda: np.stack([decode(one) for one in held])

    def pillow(kind: str) -> Callable[[np.ndarray], bytes]:
        def encode(picture: np.ndarray) -> bytes:
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, kind, quality=90)
            return buffer.getvalue()

        return encode

    def opened(content: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    for quality in (90, 95):
        jpeg = coded(
            lambda p, q=quality: simplejpeg.encode_jpeg(p, q, "RGB", "420"), simplejpeg.decode_jpeg
        )
        made[f"simplejpeg q{quality}"] = jpeg
    made["opencv, jpeg q90"] = coded(
        lambda p: cv2.imencode(".jpg", p[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes(),
        lambda c: cv2.cvtColor(cv2.imdecode(np.frombuffer(c, np.uint8), 1), cv2.COLOR_BGR2RGB),
    )
    made["PIL, jpeg q90"] = coded(pillow("JPEG"), opened)
    made["PIL, webp q90"] = coded(pillow("WEBP"), opened)
    array = folder / "frames.npy"
    np.save(array, pixels)
    made["npy, loaded"] = array.stat().st_size, lambda: np.load(array)
    made["npy, mapped and copied"] = (
        array.stat().st_size,
        lambda: np.array(np.load(array, mmap_mode="r")),
    )
    made["video, exact"] = (
        video.stat().st_size,
        lambda: frames_at(video, Uniform(COUNT), SIDE).pixels,
    )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=10, help="in a round")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        video = given.video or rendered(Path(name))[0]
        made = forms(video, Path(name))
        truth = frames_at(video, Uniform(COUNT), SIDE).pixels.astype(int)
        cpu: dict[str, list[float]] = {form: [] for form in made}
        for number in range(given.rounds):
            for form, (_, read) in made.items():
                if form == "video, exact" and number:
                    continue
                samples = 1 if form == "video, exact" else given.samples
                begun = time.process_time()
                for _ in range(samples):
                    read()
                cpu[form].append((time.process_time() - begun) / samples)
        for form, (size, read) in made.items():
            error = float(((read().astype(int) - truth) ** 2).mean())
            rows[form] = {
                "mb": size / 1e6, "cpu_ms": 1000 * median(cpu[form]),
                "samples_s_core": 1 / median(cpu[form]), "gb_all": size * REELS / 1e9,
                "psnr_db": 10 * np.log10(255**2 / error) if error else None,
            }  # fmt: skip
    print(f"{'form':24}{'MB':>8}{'ms':>9}{'samples/s':>11}{'PSNR dB':>9}{'GB, 32,232 reels':>18}")
    for form, row in rows.items():
        lost = f"{row['psnr_db']:.1f}" if row["psnr_db"] else "exact"
        print(
            f"{form:24}{row['mb']:8.2f}{row['cpu_ms']:9.1f}{row['samples_s_core']:11.1f}{lost:>9}"
            f"{row['gb_all']:18.0f}"
        )
    result = {
        "date": datetime.now(UTC).date().isoformat(), "forms": rows, "rounds": given.rounds,
        "samples": given.samples, "frames": COUNT, "short_side": SIDE,
        "footage": "given video" if given.video else "rendered", "cores": os.cpu_count(),
        "python": platform.python_version(), "load": os.getloadavg()[0],
    }  # fmt: skip
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
