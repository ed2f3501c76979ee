#!/usr/bin/env python3
"""Makes the images of this folder, and expected.txt with what OpenCV reads of them.

It ran with OpenCV 4.6.0, libjpeg-turbo 2.1.5 (cjpeg), libpng 1.6.39, libtiff 4.5.0,
libwebp 1.2.4 and Pillow 9.4.0 of Debian 12. Each line of expected.txt has a file, the
mode (native, color, gray), width, height, channels and the pixels in hexadecimal, or
"none" where OpenCV reads nothing, or "deep" where it gives 16 bits per channel.
"""
import glob
import struct
import subprocess
import tempfile
import zlib

import cv2
import numpy as np

rng = np.random.default_rng(7)


def photo(h, w, channels):
    y, x = np.mgrid[0:h, 0:w]
    im = np.zeros((h, w, channels))
    for c in range(channels):
        for _ in range(6):
            fx, fy = rng.normal(0, 0.3, 2)
            im[..., c] += np.sin(x * fx + y * fy + rng.uniform(0, 6)) * rng.uniform(10, 50)
    im += rng.normal(0, 8, im.shape) + 128
    return np.clip(im, 0, 255).astype(np.uint8)


def write(name, content):
    with open(name, "wb") as f:
        f.write(content)


def cjpeg(name, im, *flags):
    kind = b"P6" if im.ndim == 3 else b"P5"
    text = kind + b"\n%d %d\n255\n" % (im.shape[1], im.shape[0]) + im.tobytes()
    write(name, subprocess.run(["cjpeg", *flags], input=text, capture_output=True, check=True).stdout)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, im, depth, color, chunks=b""):
    if depth < 8:
        bits = np.unpackbits(im[..., None], axis=2)[..., 8 - depth:].reshape(im.shape[0], -1)
        rows = [np.packbits(r).tobytes() for r in bits]
    else:
        rows = [r.astype(">u2" if depth == 16 else "u1").tobytes() for r in im]
    write(name, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", im.shape[1], im.shape[0], depth, color, 0, 0, 0)) + chunks
          + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows), 9)) + chunk(b"IEND", b""))


def jpegs():
    im = photo(18, 20, 3)
    for sampling in ("1x1", "2x1", "1x2", "2x2", "4x1"):
        cjpeg("sampling_%s.jpg" % sampling, im, "-quality", "70", "-sample", sampling)
    cjpeg("progressive.jpg", im, "-quality", "80", "-progressive")
    cjpeg("restart.jpg", im, "-quality", "80", "-restart", "1B")
    cjpeg("rgb.jpg", im, "-quality", "80", "-rgb")
    cjpeg("gray.jpg", im[..., 0].copy(), "-quality", "80")
    with tempfile.NamedTemporaryFile() as script:
        script.write(b"0;\n1;\n2;\n")
        script.flush()
        cjpeg("scans.jpg", im, "-quality", "80", "-scans", script.name)
    cjpeg("narrow.jpg", photo(9, 3, 3), "-quality", "90", "-sample", "2x2")
    Image.fromarray(photo(7, 9, 4), "CMYK").save("cmyk.jpg", quality=85)
    cmyk = open("cmyk.jpg", "rb").read()
    at = cmyk.index(b"Adobe") + 11
    write("ycck.jpg", cmyk[:at] + b"\2" + cmyk[at + 1:])
    for name in ("sampling_2x2", "restart"):
        whole = open(name + ".jpg", "rb").read()
        write("cut_%s.jpg" % name, whole[:(whole.index(b"\xff\xda") + len(whole)) // 2])
    whole = open("restart.jpg", "rb").read()
    at = whole.index(b"\xff\xd0")
    write("lost_interval.jpg", whole[:at] + whole[whole.index(b"\xff\xd1"):])
    cut = open("sampling_1x1.jpg", "rb").read()
    write("no_pixels.jpg", cut[:cut.index(b"\xff\xda")])
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(photo(3, 5, 3)).save("exif%d.jpg" % orientation, exif=exif, quality=90)


def pngs():
    rgb, deep = photo(5, 7, 3), (photo(5, 7, 3).astype(np.uint16) << 8) + photo(5, 7, 3)
    gamma = [chunk(b"gAMA", struct.pack(">I", g)) for g in (45455, 96000, 60000)]
    rgb[0, 0] = rgb[0, 0, 0]
    deep[0, 0] = deep[0, 0, 0]
    png("gray.png", rgb[..., 0], 8, 0)
    png("gray16.png", deep[..., 0], 16, 0)
    png("gray_transparent.png", rgb[..., 0], 8, 0, chunk(b"tRNS", b"\0\x80"))
    png("gray_alpha.png", rgb[..., :2], 8, 4)
    png("rgb.png", rgb, 8, 2)
    png("rgb_gamma.png", rgb, 8, 2, gamma[0])
    png("rgb_gamma_96.png", rgb, 8, 2, gamma[1])
    png("rgb_srgb.png", rgb, 8, 2, chunk(b"sRGB", b"\0") + gamma[2])
    png("rgb_transparent.png", rgb, 8, 2, chunk(b"tRNS", b"\0\1\0\2\0\3"))
    png("rgb16.png", deep, 16, 2)
    png("rgb16_gamma.png", deep, 16, 2, gamma[0])
    png("rgba.png", photo(5, 7, 4), 8, 6)
    png("rgba16.png", (photo(5, 7, 4).astype(np.uint16) << 8) + 200, 16, 6, gamma[2])
    for depth in (1, 2, 4, 8):
        index = rng.integers(0, 1 << depth, (5, 11)).astype(np.uint8)
        palette = chunk(b"PLTE", rng.integers(0, 256, 3 << depth, dtype=np.uint8).tobytes())
        png("palette%d.png" % depth, index, depth, 3, gamma[0] + palette)
        png("palette%d_alpha.png" % depth, index, depth, 3, palette + chunk(b"tRNS", b"\x10\xff"))
        if depth < 8:
            png("gray%d.png" % depth, index, depth, 0)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(rgb).save("exif6.png", exif=exif)


def others():
    im = photo(5, 9, 3)
    picture = Image.fromarray(im)
    for mode, name in (("RGB", "rgb"), ("L", "gray"), ("P", "palette"), ("1", "bits")):
        picture.convert(mode).save(name + ".bmp")
        picture.convert(mode).save(name + ".tif")
    picture.save("lzw.tif", compression="tiff_lzw")
    picture.convert("1").save("fax.tif", compression="group4")
    picture.save("turned.tif", tiffinfo={274: 6})
    Image.fromarray(photo(5, 9, 4)).save("rgba.tif")
    cv2.imwrite("gray16.tif", (photo(5, 9, 1).astype(np.uint16) << 8) + 200)
    cv2.imwrite("rgb16.tif", (photo(5, 9, 3).astype(np.uint16) << 8) + 200)
    Image.fromarray(photo(17, 19, 3)).save("lossy.webp", quality=80)
    Image.fromarray(photo(6, 8, 4)).save("lossy_alpha.webp", quality=60)
    picture.save("lossless.webp", lossless=True)
    Image.fromarray(photo(5, 9, 4)).save("lossless_alpha.webp", lossless=True)
    for most in (100, 255, 1000):
        v = rng.integers(0, most + 1, (3, 5, 3))
        wide = v.astype(">u2" if most > 255 else "u1")
        write("plain%d.ppm" % most, b"P3\n# a comment\n5 3\n%d\n" % most + b" ".join(b"%d" % n for n in v.reshape(-1)) + b"\n")
        write("plain%d.pgm" % most, b"P2 5 3 %d\n" % most + b"\n".join(b"%d" % n for n in v[..., 0].reshape(-1)) + b"\n")
        write("binary%d.ppm" % most, b"P6\n5 3\n%d\n" % most + wide.tobytes())
        write("binary%d.pgm" % most, b"P5\n5 3\n%d\n" % most + wide[..., 0].tobytes())
    write("plain.pbm", b"P1\n5 3\n10011\n1 0 1 0 1\n01110\n")
    write("binary.pbm", b"P4\n10 2\n" + bytes([0xaa, 0x80, 0x55, 0x40]))
    write("short.ppm", b"P6\n5 3\n255\n" + bytes(44))


def expect():
    modes = {"native": cv2.IMREAD_UNCHANGED, "color": cv2.IMREAD_COLOR, "gray": cv2.IMREAD_GRAYSCALE}
    with open("expected.txt", "w") as out:
        for name in sorted(glob.glob("*.*")):
            if name.endswith((".py", ".txt")):
                continue
            for mode, flag in modes.items():
                im = cv2.imread(name, flag)
                if im is None:
                    out.write("%s %s none\n" % (name, mode))
                elif im.dtype != np.uint8:
                    out.write("%s %s deep\n" % (name, mode))
                else:
                    channels = 1 if im.ndim == 2 else im.shape[2]
                    out.write("%s %s %d %d %d %s\n" % (name, mode, im.shape[1], im.shape[0], channels, im.tobytes().hex()))


if __name__ == "__main__":
    from PIL import Image
    jpegs()
    pngs()
    others()
    expect()
