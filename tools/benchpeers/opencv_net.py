"""Time a Caffe net in OpenCV: opencv_net.py NET WEIGHTS THREADS ITERATIONS

prints "...: median 12.3 ms (...), peak 45 MiB" for one image of noise."""
import resource
import statistics
import sys
import time

import cv2
import numpy

if sys.argv[1:] == ["--help"]:
    print(__doc__)
    sys.exit()
net, weights, threads, iterations = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cv2.setNumThreads(threads)
net = cv2.dnn.readNetFromCaffe(net, weights)
image = numpy.random.default_rng(1).uniform(-1, 1, (1, 3, 300, 300)).astype(numpy.float32)
times = []
for i in range(iterations + 2):
    net.setInput(image)
    start = time.perf_counter()
    net.forward()
    if i >= 2:
        times.append(1000 * (time.perf_counter() - start))
print("opencv %s: median %.2f ms (%.2f to %.2f), peak %d MiB" % (
    cv2.__version__, statistics.median(times), min(times), max(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))
