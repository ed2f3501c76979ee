"""Runs a net with OpenCV: run.py NET.prototxt WEIGHTS.caffemodel INPUT.npy OUTPUTS.npz"""
import sys
import cv2
import numpy

net = cv2.dnn.readNetFromCaffe(sys.argv[1], sys.argv[2])
net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
net.setInput(numpy.load(sys.argv[3]))
names = net.getUnconnectedOutLayersNames()
numpy.savez(sys.argv[4], **{name.replace("/", "|"): out for name, out in zip(names, net.forward(names))})
