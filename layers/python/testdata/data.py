"""A data layer that reads a list, and one whose tops change from pass to pass."""
import json
import random

import caffe
import numpy as np


class ListData(caffe.Layer):
    """Reads numbers with labels from a list, a batch for each pass, and goes back to the start at its end."""

    def setup(self, bottom, top):
        params = json.loads(self.param_str)
        self.batch = params["batch"]
        with open(params["source"]) as f:
            self.items = [[float(v) for v in line.split()] for line in f]
        if params.get("shuffle"):
            random.seed(params["seed"])
            random.shuffle(self.items)
        self.at = 0
        print("%d items for phase %d" % (len(self.items), self.phase))
        top[0].reshape(self.batch, len(self.items[0]) - 1)
        top[1].reshape(self.batch, 1)

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        for i in range(self.batch):
            item = self.items[self.at]
            self.at = (self.at + 1) % len(self.items)
            top[0].data[i, ...] = item[:-1]
            top[1].data[i] = item[-1]

    def backward(self, top, propagate_down, bottom):
        pass


class Proposals(caffe.Layer):
    """Keeps the rows whose first number is over a threshold, with the number of the row in front."""

    def setup(self, bottom, top):
        self.threshold = float(self.param_str)
        top[0].reshape(1, 1 + bottom[0].channels)

    def reshape(self, bottom, top):
        """Reshaping happens during the call to forward."""

    def forward(self, bottom, top):
        rows = bottom[0].data
        keep = np.where(rows[:, 0] > self.threshold)[0]
        blob = np.hstack((keep[:, np.newaxis].astype(np.float32, copy=False), rows[keep]))
        top[0].reshape(*blob.shape)
        top[0].data[...] = blob

    def backward(self, top, propagate_down, bottom):
        """This layer does not propagate gradients."""
