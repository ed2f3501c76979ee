import caffe


class Count(caffe.Layer):
    """Counts the calls of reshape, which looks at the data."""

    def setup(self, bottom, top):
        self.calls = 0

    def reshape(self, bottom, top):
        self.calls += 1
        self.sum = bottom[0].data.sum()
        top[0].reshape(2)

    def forward(self, bottom, top):
        top[0].data[...] = [self.calls, self.sum]
