"""Layers that go wrong, in the way and the method that param_str names, in a call that it may number."""
import ctypes
import os
import sys
import time

import caffe

NOTHING = None


class Fault(caffe.Layer):
    def setup(self, bottom, top):
        self.what, self.where, self.calls = (self.param_str.split() + [1])[:3]
        self.calls = int(self.calls)
        self.fault("setup", bottom, top)

    def reshape(self, bottom, top):
        self.fault("reshape", bottom, top)
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.fault("forward", bottom, top)
        top[0].data[...] = bottom[0].data

    def backward(self, top, propagate_down, bottom):
        self.fault("backward", bottom, top)
        bottom[0].diff[...] = top[0].diff

    def fault(self, where, bottom, top):
        if where == self.where:
            self.calls -= 1
        if where == self.where and self.calls <= 0:
            print("now: " + self.what)
            getattr(self, self.what)(bottom, top)

    def exception(self, bottom, top):
        raise ValueError("no such value")

    def chained(self, bottom, top):
        try:
            {}["key"]
        except KeyError as e:
            raise RuntimeError("out of keys") from e

    def exits(self, bottom, top):
        sys.exit(4)

    def dies(self, bottom, top):
        os._exit(3)

    def crashes(self, bottom, top):
        ctypes.string_at(0)

    def sleeps(self, bottom, top):
        time.sleep(1000)

    def sleeps_in_c(self, bottom, top):
        ctypes.PyDLL(None).sleep(1000)  # nothing else of Python runs meanwhile

    def naps(self, bottom, top):
        time.sleep(0.2)

    def adds(self, bottom, top):
        self.blobs.add_blob(1)

    def tuple(self, bottom, top):
        top[0].reshape((1, 2))

    def negative(self, bottom, top):
        top[0].reshape(-1)

    def huge(self, bottom, top):
        top[0].reshape(1 << 20, 1 << 20)

    def bottom(self, bottom, top):
        bottom[0].reshape(1)

    def assigns(self, bottom, top):
        top[0].data = 1

    def nets(self, bottom, top):
        caffe.Net("net.prototxt", caffe.TEST)

    def spec(self, bottom, top):
        from caffe import layers, params

    def closes(self, bottom, top):
        os.closerange(0, 100)

    def iteritems(self, bottom, top):
        {}.iteritems()

    def range(self, bottom, top):
        return xrange(3)

    def pickles(self, bottom, top):
        import cPickle


class Silent(caffe.Layer):
    """Has no methods."""


class Quits(caffe.Layer):
    def __init__(self, *args, **kwargs):
        raise OSError("no disk")


class Other(object):
    pass
