"""The module caffe for Python layers that gocaffe runs; see docs/python-layers.md."""
import operator as _operator

__version__ = '1.0.0'  # of Caffe


class Phase(int):
    """A number, as in Caffe, whose text is its name, as in Caffe until 2015: layers look it up in a dict."""

    def __str__(self):
        return ('TRAIN', 'TEST')[self]


TRAIN, TEST = Phase(0), Phase(1)

# The kinds of blobs; blobs.go has the same numbers.
_BOTTOM, _TOP, _PARAM = range(3)

_memory = None  # allocates arrays; set by the worker
_descriptor = None  # of caffe.proto


def _missing(name):
    return ("gocaffe's module caffe has no %s: it is what Python layers need, without Net, solvers and NetSpec "
            "(docs/python-layers.md)" % name)


def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)
    if name in ('io', 'proto'):  # pycaffe imports them with itself
        import importlib
        return importlib.import_module('caffe.' + name)
    raise AttributeError(_missing('caffe.' + name))


def set_mode_cpu():
    """Does nothing: gocaffe's --gpu chooses where layers run, and Python layers run on the CPU."""


def set_mode_gpu():
    """Does nothing, as set_mode_cpu."""


def set_device(device):
    """Does nothing, as set_mode_cpu."""


def set_random_seed(seed):
    """Does nothing: the solver's random_seed is the seed of gocaffe's layers."""


class LayerParameter(object):
    """What a layer is made with; its contents are for gocaffe."""

    def __init__(self, options):
        self._options = options


class Blob(object):
    """An array of float32 with a gradient of the same shape."""

    __slots__ = ('_kind', '_index', '_pages', '_shape', '_places', '_arrays')

    def __init__(self, kind, index, pages):
        self._kind, self._index, self._pages = kind, index, pages
        self._shape = ()
        self._places = [(-1, 0), (-1, 0)]
        self._arrays = [None, None]

    def _set(self, shape, data, diff):
        if shape != self._shape or [data, diff] != self._places:
            self._shape, self._places, self._arrays = shape, [data, diff], [None, None]

    def _array(self, diff):
        array = self._arrays[diff]
        if array is None:
            count = self.count
            if count == 0:
                import numpy
                array = numpy.zeros(self._shape, numpy.float32)
            else:
                if self._places[diff][1] < 4 * count:
                    self._places[diff] = _memory(self, diff, 4 * count)
                array = self._pages.array(self._places[diff][0], self._places[diff][1], self._shape, count)
            self._arrays[diff] = array
        return array.view()

    @property
    def data(self):
        return self._array(0)

    @property
    def diff(self):
        return self._array(1)

    @property
    def shape(self):
        return list(self._shape)

    @property
    def count(self):
        n = 1
        for d in self._shape:
            n *= d
        return n

    def _dim(self, axis):
        if len(self._shape) > 4:
            raise ValueError('num, channels, height and width are for blobs of at most 4 axes, this has shape %s' % (self.shape,))
        return self._shape[axis] if axis < len(self._shape) else 1

    @property
    def num(self):
        return self._dim(0)

    @property
    def channels(self):
        return self._dim(1)

    @property
    def height(self):
        return self._dim(2)

    @property
    def width(self):
        return self._dim(3)

    def reshape(self, *shape):
        try:
            shape = tuple(_operator.index(d) for d in shape)
        except TypeError:
            raise TypeError('reshape takes the sizes of the axes as integers, as in reshape(1, 3), got %s' % (shape,))
        if len(shape) > 32 or any(d < 0 for d in shape):
            raise ValueError('reshape%s: want at most 32 axes with sizes of 0 or more' % (shape,))
        if shape == self._shape:
            return
        if self._kind == _BOTTOM:
            raise ValueError('a layer may reshape its tops, and this is bottom %d: it has shape %s, and not %s'
                             % (self._index, self.shape, list(shape)))
        if self._kind == _PARAM:
            raise ValueError('blobs[%d] has shape %s, which reshape cannot change' % (self._index, self.shape))
        n = 1
        for d in shape:
            n *= d
        if n > 2**31 - 1:
            raise ValueError('reshape%s: the blob would have %d elements, want at most 2147483647' % (shape, n))
        self._shape, self._arrays = shape, [None, None]


class RawBlobVec(list):
    """The bottoms or the tops of a layer."""


class BlobVec(list):
    """The weights of a layer."""

    _open = False
    _memory = None

    def add_blob(self, *shape):
        if not self._open:
            raise RuntimeError('add_blob may be called in setup only')
        blob = Blob(_TOP, 0, self._memory)
        blob.reshape(*shape)
        blob._kind, blob._index = _PARAM, len(self)
        self.append(blob)


class Layer(object):
    """The base class of Python layers: derive from it, and define setup, reshape, forward and backward."""

    type = 'Python'
    param_str = param_str_ = ''
    phase = TRAIN

    def __new__(cls, *args, **kwargs):
        layer = object.__new__(cls)
        layer.blobs = BlobVec()
        return layer

    def __init__(self, param=None, *args, **kwargs):
        pass

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        raise NotImplementedError('class %s has no method reshape(self, bottom, top)' % type(self).__name__)

    def forward(self, bottom, top):
        raise NotImplementedError('class %s has no method forward(self, bottom, top)' % type(self).__name__)

    def backward(self, top, propagate_down, bottom):
        raise NotImplementedError('class %s has no method backward(self, top, propagate_down, bottom)' % type(self).__name__)
