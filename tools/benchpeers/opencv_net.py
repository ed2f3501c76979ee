"""Run a Caffe net in OpenCV, on the image in a .npy file.

usage: opencv_net.py NET WEIGHTS INPUT.npy [--threads N] [--iters N]
       opencv_net.py NET WEIGHTS INPUT.npy --outputs OUTPUTS.npz

The first prints "opencv VERSION: median 12.3 ms (...), peak 45 MiB", the second writes
all outputs, with | in place of / in their names.
"""
import argparse
import statistics
import time

import cv2
import numpy


def peak_mib():
    """Returns the largest resident memory of this program. ru_maxrss is at least that of the
    program which started it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:"))


parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("net")
parser.add_argument("weights")
parser.add_argument("input")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--iters", type=int, default=20)
parser.add_argument("--outputs")
args = parser.parse_args()
cv2.setNumThreads(args.threads)
net = cv2.dnn.readNetFromCaffe(args.net, args.weights)
net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
image = numpy.load(args.input)
if args.outputs:
    net.setInput(image)
    names = net.getUnconnectedOutLayersNames()
    numpy.savez(args.outputs, **{name.replace("/", "|"): out for name, out in zip(names, net.forward(names))})
else:
    times = []
    for i in range(args.iters + 2):
        net.setInput(image)
        start = time.perf_counter()
        net.forward()
        if i >= 2:
            times.append(1000 * (time.perf_counter() - start))
    print("opencv %s: median %.2f ms (%.2f to %.2f), peak %d MiB" % (
        cv2.__version__, statistics.median(times), min(times), max(times),
        peak_mib()))
