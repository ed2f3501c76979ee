# Runs Python layers for gocaffe: reads requests, makes the calls, and replies. See
# frame.go for the form of the messages and memory.go for the memory they refer to.
#
# It is valid in Python 2, so that starting one is an error that says what is wrong.
import base64
import json
import os
import struct
import sys
import threading
import traceback
import types

# Requests and replies; frame.go has the same numbers.
START, SETUP, RESHAPE, FORWARD, BACKWARD, CLOSE, MEMORY, IMPORT = range(8)
DONE, FAILED, ASK = range(3)

# What an error is about; call.go has the same numbers.
LAYER, MODULE, CLASS = range(3)

NUMPY = ('%(program)s (Python %(version)s) cannot import NumPy: %(error)s\n'
         'install it, with "%(program)s -m pip install numpy" or, on Debian, "apt-get install python3-numpy"; '
         'or name another Python in GOCAFFE_PYTHON')
OLD = '%(program)s is Python %(version)s, want 3.6 or later; GOCAFFE_PYTHON may name another'
PYTHON2 = ('\n%s seems to be written for Python 2, and this is Python %d.%d: '
           'convert it with "2to3 -w FILE" (Debian package 2to3; "python3 -m lib2to3 -w FILE" up to Python 3.12)')

# Signs of Python 2 in the error of a file that Python 3 does not run.
NAMES2 = set('xrange unicode raw_input basestring long unichr execfile reduce cmp apply buffer file reload'.split())
MODULES2 = set('cPickle Queue ConfigParser StringIO cStringIO urllib2 urlparse httplib Tkinter __builtin__ '
               'commands copy_reg SocketServer HTMLParser cookielib'.split())
METHODS2 = set('iteritems itervalues iterkeys has_key'.split())


class Failure(Exception):
    """An error with what it is about, which needs no traceback."""

    def __init__(self, about, text):
        Exception.__init__(self, text)
        self.about = about


class Pipes(object):
    """The two pipes to gocaffe. Descriptors 0 and 1 are free for the layers' code."""

    def __init__(self, requests):
        self.requests = requests
        self.replies = os.dup(1)
        os.dup2(2, 1)  # what layers print is output, not a reply
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)

    def read(self):
        """Returns the integers and the text of the next request, or None at the end."""
        head = self.requests.read(8)
        if len(head) < 8:
            return None, None
        body = self.requests.read(struct.unpack('=q', head)[0])
        count = struct.unpack_from('=q', body)[0]
        end = 8 * (count + 1)
        return struct.unpack_from('=%dq' % count, body, 8), body[end + 8:]

    def write(self, ints, text=b''):
        body = struct.pack('=%dq' % (len(ints) + 2), len(ints), *(list(ints) + [len(text)])) + text
        data = struct.pack('=q', len(body)) + body
        while data:
            data = data[os.write(self.replies, data):]


class Memory(object):
    """The memory that is shared with gocaffe."""

    def __init__(self, path):
        self.fd = 4
        if path:
            self.fd = os.open(path, os.O_RDWR | getattr(os, 'O_BINARY', 0))
            if os.name != 'nt':
                os.unlink(path)
        self.segments = {}

    def array(self, offset, size, shape, count):
        """Returns the array of the given shape at the start of a segment."""
        import mmap
        import numpy
        segment = self.segments.get(offset)
        if segment is None:
            segment = self.segments[offset] = mmap.mmap(self.fd, size, offset=offset)
        return numpy.frombuffer(segment, numpy.float32, count).reshape(shape)


class Finder(object):
    """Finds the modules that gocaffe brings, before any that are installed."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        import importlib.machinery
        if name in self.sources:
            package = any(other.startswith(name + '.') for other in self.sources)
            return importlib.machinery.ModuleSpec(name, self, origin='<gocaffe %s>' % name, is_package=package)
        if name.startswith('caffe.'):
            raise ImportError("gocaffe's module caffe has no %s: it is what Python layers need, without Net, "
                              "solvers and NetSpec (docs/python-layers.md)" % name)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self.sources[module.__name__], '<gocaffe %s>' % module.__name__, 'exec'), module.__dict__)

    def get_source(self, name):
        return self.sources[name]


class Entry(object):
    """A layer with its blobs."""

    def __init__(self, layer, name, bottoms, tops):
        self.layer, self.name = layer, name
        self.bottoms, self.tops = bottoms, tops


class Worker(object):
    def __init__(self, pipes):
        self.pipes = pipes
        self.memory = None
        self.caffe = None
        self.layers = {}
        self.busy = False
        self.doing = ''

    def run(self):
        while True:
            ints, text = self.pipes.read()
            if ints is None:
                return
            try:
                self.busy = True
                reply = self.call(ints, text)
            except BaseException as e:  # SystemExit and KeyboardInterrupt too
                about, message = explain(e, self.doing)
                self.pipes.write([FAILED, about], message.encode('utf-8', 'replace'))
            else:
                self.pipes.write([DONE] + reply)
            finally:
                self.busy = False

    def call(self, ints, text):
        op = ints[0]
        self.doing = 'Python'
        if op == START:
            return self.start(json.loads(text.decode('utf-8')))
        if op == CLOSE:
            self.layers.pop(ints[1], None)
            return []
        if op == IMPORT:
            self.load(text.decode('utf-8'))
            return []
        if op == SETUP:
            return self.setup(ints, json.loads(text.decode('utf-8')))
        entry = self.layers[ints[1]]
        at = 2
        if op == FORWARD:
            reshape = ints[2]
            at = 3
        elif op == BACKWARD:
            propagate = [bool(v) for v in ints[3:3 + ints[2]]]
            at = 3 + ints[2]
        self.describe(ints, at, entry.bottoms, entry.tops, entry.layer.blobs)
        if op == RESHAPE or op == FORWARD and reshape:
            self.doing = entry.name + '.reshape'
            entry.layer.reshape(entry.bottoms, entry.tops)
        if op == FORWARD:
            self.doing = entry.name + '.forward'
            entry.layer.forward(entry.bottoms, entry.tops)
        elif op == BACKWARD:
            self.doing = entry.name + '.backward'
            entry.layer.backward(entry.tops, propagate, entry.bottoms)
        return shapes(entry.tops)

    def start(self, options):
        version = '.'.join(str(v) for v in sys.version_info[:3])
        about = {'program': options['program'], 'version': version}
        if sys.version_info < (3, 6):
            raise Failure(LAYER, OLD % about)
        try:
            import numpy
        except ImportError as e:
            raise Failure(LAYER, NUMPY % dict(about, error=str(e).strip().split('\n')[0]))
        old_numpy(numpy)
        die_with_parent()
        self.memory = Memory(options['memory'])
        sys.argv = ['gocaffe']
        sys.meta_path.insert(0, Finder(options['modules']))
        if sys.platform == 'darwin' or sys.version_info >= (3, 14):
            # Layers that read ahead in a process expect it to be a copy of this one.
            import multiprocessing
            multiprocessing.set_start_method('fork')
        import faulthandler
        faulthandler.enable()
        import caffe
        caffe._memory = self.ask
        caffe._descriptor = base64.b64decode(options['descriptor'])
        self.caffe = caffe
        return []

    def ask(self, blob, diff, size):
        """Returns a segment for an array of a blob, which gocaffe allocates."""
        if not self.busy or threading.current_thread() is not threading.main_thread():
            raise RuntimeError('the blobs of a layer may be used in setup, reshape, forward and backward only, '
                               'and not in other threads')
        self.pipes.write([ASK, blob._kind, blob._index, int(diff), size])
        ints, _ = self.pipes.read()
        if ints is None:
            os._exit(1)
        return ints[1], ints[2]

    def setup(self, ints, options):
        count = ints[2]
        places = ints[3:3 + count]
        tops = []
        at = 3 + count
        bottoms = [self.caffe.Blob(self.caffe._BOTTOM, i, self.memory) for i in range(ints[at])]
        for i, place in enumerate(places):
            tops.append(bottoms[place] if place >= 0 else self.caffe.Blob(self.caffe._TOP, i, self.memory))
        layer = self.make(options)
        layer.blobs._memory = self.memory
        name = '%s.%s' % (options['module'], options['layer'])
        self.layers[ints[1]] = entry = Entry(layer, name, self.caffe.RawBlobVec(bottoms), self.caffe.RawBlobVec(tops))
        self.describe(ints, at, entry.bottoms, entry.tops, layer.blobs)
        layer.blobs._open = True
        self.doing = name + '.setup'
        layer.setup(entry.bottoms, entry.tops)
        layer.blobs._open = False
        return shapes(entry.tops) + [len(layer.blobs)] + shapes(layer.blobs)

    def load(self, module):
        """Returns a module."""
        self.doing = 'import of ' + module
        try:
            __import__(module)
        except ImportError as e:
            missing = getattr(e, 'name', None)
            if missing is None or missing != module and not module.startswith(missing + '.'):
                raise
            path = os.environ.get('PYTHONPATH')
            raise Failure(MODULE, 'cannot import module %r: %s; it is looked up in the working directory %s and in PYTHONPATH, which is %s'
                          % (module, e, os.getcwd(), repr(path) if path else 'not set'))
        return sys.modules[module]

    def make(self, options):
        """Returns the object of a layer."""
        module, name = self.load(options['module']), options['layer']
        old_yaml(sys.modules.get('yaml'))
        kind = getattr(module, name, None)
        if kind is None:
            others = sorted(n for n, v in vars(module).items()
                            if isinstance(v, type) and issubclass(v, self.caffe.Layer) and v is not self.caffe.Layer)
            raise Failure(CLASS, 'module %r (%s) has no class %r%s' % (
                module.__name__, getattr(module, '__file__', 'built in'), name,
                ', it has the layers ' + ', '.join(others) if others else ', and no layers'))
        if not isinstance(kind, type) or not issubclass(kind, self.caffe.Layer):
            raise Failure(CLASS, '%s.%s is not a class that is derived from caffe.Layer' % (module.__name__, name))
        self.doing = '%s.%s' % (options['module'], name)
        layer = kind(self.caffe.LayerParameter(options))
        layer.param_str = layer.param_str_ = options['param_str']
        layer.phase = self.caffe.Phase(options['phase'])
        return layer

    def describe(self, ints, at, *lists):
        """Sets shapes and memory of blobs from a request."""
        for blobs in lists:
            count = ints[at]
            at += 1
            for i in range(count):
                axes = ints[at]
                end = at + 1 + axes
                blobs[i]._set(ints[at + 1:end], ints[end:end + 2], ints[end + 2:end + 4])
                at = end + 4


def shapes(blobs):
    ints = []
    for b in blobs:
        ints.append(len(b._shape))
        ints.extend(b._shape)
    return ints


def die_with_parent():
    """Has the system end this process, and those that it has started, with gocaffe.

    Descriptor 3 is a pipe whose other end gocaffe holds and never writes to. When that
    closes, the signal SIGIO goes to the process group, even if a layer hangs in C code.
    """
    if os.name == 'nt':
        return
    import fcntl
    fcntl.fcntl(3, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(3, fcntl.F_SETFL, fcntl.fcntl(3, fcntl.F_GETFL) | os.O_ASYNC)


def old_numpy(numpy):
    """Adds the names of Python's types that NumPy had until 1.24."""
    for kind in (bool, int, float, complex, object, str):
        if kind.__name__ not in vars(numpy) and tuple(int(n) for n in numpy.__version__.split('.')[:2]) >= (1, 24):
            setattr(numpy, kind.__name__, kind)


def old_yaml(yaml):
    """Lets yaml.load(text) work without a Loader, as it did until PyYAML 6."""
    import inspect
    if yaml is None or not hasattr(yaml, 'FullLoader'):
        return
    loader = inspect.signature(yaml.load).parameters.get('Loader')
    if loader is not None and loader.default is loader.empty:
        load = yaml.load
        yaml.load = lambda stream, Loader=yaml.FullLoader: load(stream, Loader)


def explain(e, doing):
    """Returns what an error is about and the text that the user sees."""
    if isinstance(e, Failure):
        return e.about, str(e)
    trace = traceback.TracebackException(type(e), e, e.__traceback__)
    part = trace
    while part is not None:
        part.stack[:] = [f for f in part.stack if not f.filename.startswith(('<gocaffe', '<frozen importlib'))]
        part = part.__cause__ or part.__context__
    text = '%s has failed: %s\n%s' % (doing, summary(e), ''.join(trace.format()).rstrip())
    file = e.filename if isinstance(e, SyntaxError) else trace.stack[-1].filename if trace.stack else ''
    if python2(e):
        text += PYTHON2 % (file or 'the file', sys.version_info[0], sys.version_info[1])
    return LAYER, text


def summary(e):
    if isinstance(e, SystemExit):
        return 'it has called sys.exit(%s)' % (e.code if e.code is not None else '')
    return traceback.format_exception_only(type(e), e)[-1].strip()


def python2(e):
    """Reports whether an error comes of code for Python 2."""
    words = set(str(e).replace("'", ' ').replace('(', ' ').replace('.', ' ').split())
    if isinstance(e, SyntaxError):
        return compiles2(e)
    if isinstance(e, ImportError):
        return getattr(e, 'name', None) in MODULES2
    if isinstance(e, NameError):
        return bool(words & NAMES2)
    return isinstance(e, AttributeError) and bool(words & METHODS2)


def compiles2(e):
    """Reports whether a line that Python 3 does not accept is one of Python 2."""
    import re
    text = e.text or ''
    return isinstance(e, TabError) or re.search(
        r"""^\s*(print|exec)\s+["'\w(%]|^\s*print\s*(>>|$)|^\s*except\s+[\w.()]+\s*,\s*\w+\s*:|^\s*raise\s+[\w.]+\s*,|<>|\b0[0-7]+\b|\bur["']|\d[lL]\b|`""",
        text) is not None


Worker(Pipes(pipe)).run()  # noqa: F821, bootstrap has opened it
