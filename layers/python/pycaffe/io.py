"""The part of pycaffe's caffe.io that layers use: images, and arrays in protobuf messages."""
import numpy as np


def load_image(filename, color=True):
    """Returns an image as H x W x 3 in RGB, or H x W x 1 for grey with color=False, from 0 to 1."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError('caffe.io.load_image needs Pillow: "pip install pillow" or, on Debian, "apt-get install python3-pil"')
    with Image.open(filename) as image:
        deep = image.mode.startswith('I')  # 16 bits
        if not deep and image.mode not in ('L', 'RGB'):
            grey = image.mode in ('1', 'LA')
            image = image.convert('L' if grey else 'RGB')
        pixels = np.asarray(image).astype(np.float32) / np.float32(65535 if deep else 255)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
        if color:
            pixels = np.tile(pixels, (1, 1, 3))
    return pixels


def _axis(old, new, order, corners):
    """Returns the two source indices of each output index, and the share of the second."""
    if corners:
        at = np.arange(new) * ((old - 1.0) / max(new - 1, 1))
    else:
        at = (np.arange(new) + 0.5) * (float(old) / new) - 0.5
    at = np.clip(at, 0, old - 1)
    if order == 0:
        low = np.floor(at + 0.5).astype(int)
        return low, low, np.zeros(new)
    low = np.minimum(at.astype(int), max(old - 2, 0))
    return low, np.minimum(low + 1, old - 1), at - low


def resize_image(im, new_dims, interp_order=1):
    """Returns an image H x W x K in another height and width: bilinear, or nearest with order 0.

    As in pycaffe, pixels are areas for K = 1 and 3, and points, with the corners kept, otherwise.
    """
    if interp_order not in (0, 1):
        raise ValueError('resize_image: interp_order is %r, want 0 or 1' % (interp_order,))
    im = np.asarray(im)
    corners = im.shape[-1] not in (1, 3)
    x = im.astype(np.float64)
    low, high, share = _axis(x.shape[0], int(new_dims[0]), interp_order, corners)
    x = x[low] * (1 - share)[:, None, None] + x[high] * share[:, None, None]
    low, high, share = _axis(x.shape[1], int(new_dims[1]), interp_order, corners)
    x = x[:, low] * (1 - share)[None, :, None] + x[:, high] * share[None, :, None]
    return x.astype(np.float32)


def _messages():
    from caffe.proto import caffe_pb2
    return caffe_pb2


def array_to_datum(arr, label=None):
    """Returns a Datum of an array C x H x W: bytes of one with type uint8, floats of another."""
    if arr.ndim != 3:
        raise ValueError('array_to_datum: the array has shape %s, want 3 axes' % (arr.shape,))
    datum = _messages().Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum):
    """Returns the array C x H x W of a Datum that is not a compressed image."""
    shape = datum.channels, datum.height, datum.width
    if len(datum.data):
        return np.frombuffer(datum.data, np.uint8).reshape(shape).copy()
    return np.array(datum.float_data, float).reshape(shape)


def blobproto_to_array(blob, return_diff=False):
    """Returns the array of a BlobProto."""
    values = blob.diff if return_diff else blob.data
    if blob.HasField('shape'):
        shape = list(blob.shape.dim)
    else:
        shape = [blob.num, blob.channels, blob.height, blob.width]
    return np.array(values, np.float32).reshape(shape)


def array_to_blobproto(arr, diff=None):
    """Returns a BlobProto of an array, and of a gradient."""
    blob = _messages().BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(arr.astype(float).flat)
    if diff is not None:
        blob.diff.extend(diff.astype(float).flat)
    return blob


class Transformer(object):
    """Prepares images for the inputs of a net: a dict of names and shapes (N, C, H, W)."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.transpose, self.channel_swap = {}, {}
        self.raw_scale, self.mean, self.input_scale = {}, {}, {}

    def _check(self, name):
        if name not in self.inputs:
            raise KeyError('%r is not one of the inputs %s' % (name, sorted(self.inputs)))

    def set_transpose(self, in_, order):
        """Sets the order of the axes: (2, 0, 1) makes C x H x W of H x W x C."""
        self._check(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise ValueError('set_transpose: the order %s has not the %d axes of an item' % (order, len(self.inputs[in_]) - 1))
        self.transpose[in_] = order

    def set_channel_swap(self, in_, order):
        """Sets the order of the channels: (2, 1, 0) makes BGR of RGB."""
        self._check(in_)
        if len(order) != self.inputs[in_][1]:
            raise ValueError('set_channel_swap: the order %s is not of %d channels' % (order, self.inputs[in_][1]))
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_, scale):
        """Sets the factor before the mean is subtracted, such as 255."""
        self._check(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_, mean):
        """Sets the mean: a number for each channel, or an image C x H x W."""
        self._check(in_)
        mean = np.asarray(mean)
        shape = tuple(self.inputs[in_][1:])
        if mean.ndim == 1:
            if mean.shape[0] != shape[0]:
                raise ValueError('set_mean: there are %d means for %d channels' % (mean.shape[0], shape[0]))
            mean = mean[:, None, None]
        else:
            if mean.ndim == 2:
                mean = mean[None]
            if mean.shape != shape:
                raise ValueError('set_mean: the mean has shape %s, the input %s' % (mean.shape, shape))
        self.mean[in_] = mean

    def set_input_scale(self, in_, scale):
        """Sets the factor after the mean is subtracted."""
        self._check(in_)
        self.input_scale[in_] = scale

    def preprocess(self, in_, data):
        """Returns the input for an image H x W x C."""
        self._check(in_)
        x = np.asarray(data).astype(np.float32)
        dims = tuple(self.inputs[in_][2:])
        if x.shape[:2] != dims:
            x = resize_image(x, dims)
        if in_ in self.transpose:
            x = x.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            x = x[self.channel_swap[in_], :, :]
        x = x.astype(np.float32)  # a copy
        if in_ in self.raw_scale:
            x *= self.raw_scale[in_]
        if in_ in self.mean:
            x -= self.mean[in_]
        if in_ in self.input_scale:
            x *= self.input_scale[in_]
        return x

    def deprocess(self, in_, data):
        """Returns the image of an input: the inverse of preprocess, without the size."""
        self._check(in_)
        x = np.array(data).squeeze()
        if in_ in self.input_scale:
            x = x / self.input_scale[in_]
        if in_ in self.mean:
            x = x + self.mean[in_]
        if in_ in self.raw_scale:
            x = x / self.raw_scale[in_]
        if in_ in self.channel_swap:
            x = x[np.argsort(self.channel_swap[in_]), :, :]
        if in_ in self.transpose:
            x = x.transpose(np.argsort(self.transpose[in_]))
        return x
