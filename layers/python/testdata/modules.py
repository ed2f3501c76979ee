"""Checks what the module caffe has: an assertion that fails is an error of setup."""
import caffe
import caffe.io
import numpy as np
import yaml  # that of testdata, which is as PyYAML 6

state = []  # all layers of the program find the same


class Modules(caffe.Layer):
    def __init__(self, p_object, *args, **kwargs):
        super(Modules, self).__init__(p_object, *args, **kwargs)
        self.made = True

    def setup(self, bottom, top):
        assert self.made and self.type == "Python" and self.phase == caffe.TEST == 1 and str(self.phase) == "TEST" and "%d" % caffe.TRAIN == "0" and self.param_str == self.param_str_ == "it's \u00fc"
        caffe.set_mode_cpu()
        caffe.set_mode_gpu()
        caffe.set_device(0)
        caffe.set_random_seed(1)
        assert caffe.__spec__.origin == "<gocaffe caffe>", caffe.__spec__
        assert len(bottom) == 1 and len(top) == 2 and [b.count for b in bottom] == [24] and len(top[:1]) == 1
        x = bottom[0]
        assert (x.num, x.channels, x.height, x.width) == (2, 3, 4, 1) and list(x.shape) == [2, 3, 4] and x.shape[1] == 3
        assert x.data.dtype == np.float32 and x.data.shape == (2, 3, 4) and x.diff.shape == (2, 3, 4)
        top[1].reshape()  # a scalar
        assert top[1].data.shape == () and top[1].count == 1 and top[1].num == 1
        top[0].reshape(np.int64(2), np.int32(0))
        assert top[0].data.shape == (2, 0)
        state.append(self)
        assert np.float is float and np.int is int and np.bool in (bool, np.bool_)
        assert yaml.load("text") == ("text", yaml.FullLoader) and yaml.load("text", 1) == ("text", 1)
        self.transform()
        self.images()
        self.messages()

    def reshape(self, bottom, top):
        top[0].reshape(2)

    def forward(self, bottom, top):
        import os
        top[0].data[...] = [len(state), os.getpid()]
        top[1].data[...] = sum(b.data.sum() for b in bottom)

    def transform(self):
        t = caffe.io.Transformer({"data": (1, 3, 2, 2)})
        t.set_transpose("data", (2, 0, 1))
        t.set_channel_swap("data", (2, 1, 0))
        t.set_raw_scale("data", 255)
        t.set_mean("data", np.array([1, 2, 3]))
        t.set_input_scale("data", 0.5)
        image = np.zeros((2, 2, 3), np.float32)
        image[:, :, 0] = 1  # red
        x = t.preprocess("data", image)
        assert x.shape == (3, 2, 2) and x.dtype == np.float32
        assert x[:, 0, 0].tolist() == [-0.5, -1, 126], x
        assert np.allclose(t.deprocess("data", x), image, atol=1e-6)

    def images(self):
        im = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
        assert np.allclose(caffe.io.resize_image(im, (4, 4))[:, :, 0], [
            [0, 0.25, 0.75, 1], [0.5, 0.75, 1.25, 1.5], [1.5, 1.75, 2.25, 2.5], [2, 2.25, 2.75, 3]])
        assert caffe.io.resize_image(im, (1, 1)).tolist() == [[[1.5]]]
        two = np.stack([im[:, :, 0]] * 2, axis=2)
        assert np.allclose(caffe.io.resize_image(two, (3, 3))[:, :, 1], [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]])
        assert caffe.io.resize_image(im, (2, 4), 0)[0, :, 0].tolist() == [0, 0, 1, 1]
        try:
            from PIL import Image
        except ImportError:
            try:
                caffe.io.load_image("dot.png")
                assert False, "load_image works without Pillow"
            except ImportError as e:
                assert "needs Pillow" in str(e)
            return
        import os
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "dot.png")
            Image.fromarray(np.array([[[255, 0, 51]]], np.uint8)).save(name)
            assert np.allclose(caffe.io.load_image(name), [[[1, 0, 0.2]]])
            Image.fromarray(np.array([[51]], np.uint8)).save(name)
            assert np.allclose(caffe.io.load_image(name), [[[0.2] * 3]])
            assert caffe.io.load_image(name, color=False).shape == (1, 1, 1)

    def messages(self):
        try:
            import google.protobuf
        except ImportError:
            try:
                from caffe.proto import caffe_pb2
                assert False, "caffe_pb2 works without protobuf"
            except ImportError as e:
                assert "needs protobuf" in str(e)
            return
        from caffe.proto import caffe_pb2
        from google.protobuf import text_format
        assert caffe.proto.caffe_pb2 is caffe_pb2 and caffe_pb2.TEST == 1 and caffe_pb2.Phase.Name(0) == "TRAIN"
        net = text_format.Parse('layer { name: "ip" type: "InnerProduct" inner_product_param { num_output: 3 } }', caffe_pb2.NetParameter())
        assert caffe_pb2.NetParameter.FromString(net.SerializeToString()).layer[0].inner_product_param.num_output == 3
        for a in (np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.arange(24).reshape(2, 3, 4) / 2.0):
            d = caffe.io.array_to_datum(a, 7)
            assert d.label == 7 and (caffe.io.datum_to_array(d) == a).all()
        a = np.arange(6).reshape(1, 1, 2, 3)
        assert (caffe.io.blobproto_to_array(caffe.io.array_to_blobproto(a)) == a).all()
