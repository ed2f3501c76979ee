class FullLoader(object):
    pass


def load(stream, Loader):
    return stream, Loader
