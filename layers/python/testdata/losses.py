"""Losses in the style of those that people publish."""
import caffe
import numpy as np


class Euclidean(caffe.Layer):
    """Half the mean squared distance, as Caffe's own EuclideanLoss."""

    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("Need two inputs to compute distance.")

    def reshape(self, bottom, top):
        if bottom[0].count != bottom[1].count:
            raise Exception("Inputs must have the same dimension.")
        self.diff = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.diff**2) / bottom[0].num / 2.

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            if not propagate_down[i]:
                continue
            sign = 1 if i == 0 else -1
            bottom[i].diff[...] = sign * top[0].diff * self.diff / bottom[i].num


class EuclideanScalar(Euclidean):
    """Has a top without axes, as Caffe's losses."""

    def reshape(self, bottom, top):
        super(EuclideanScalar, self).reshape(bottom, top)
        top[0].reshape()


class Scaled(caffe.Layer):
    """Multiplies by a factor for each channel, and adds one: a layer with weights."""

    def setup(self, bottom, top):
        self.blobs.add_blob(bottom[0].channels)
        self.blobs.add_blob(1)
        self.blobs[0].data[...] = float(self.param_str or 1)
        assert len(self.blobs) == 2 and self.blobs[1].data[0] == 0

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data * self.factor(bottom) + self.blobs[1].data

    def backward(self, top, propagate_down, bottom):
        axes = tuple(i for i in range(len(bottom[0].shape)) if i != 1)
        self.blobs[0].diff[...] += np.sum(top[0].diff * bottom[0].data, axis=axes)
        self.blobs[1].diff[...] += np.sum(top[0].diff)
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * self.factor(bottom)

    def factor(self, bottom):
        return self.blobs[0].data.reshape([1, -1] + [1] * (len(bottom[0].shape) - 2))


class Double(caffe.Layer):
    """Works in place."""

    def setup(self, bottom, top):
        assert top[0] is bottom[0]

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] *= 2

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] *= 2
