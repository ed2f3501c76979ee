"""The messages of gocaffe's caffe.proto, for layers that read or write Caffe's files."""
try:
    from google.protobuf import descriptor_pool as _pools, message_factory as _factories
except ImportError:
    raise ImportError('caffe.proto.caffe_pb2 needs protobuf: "pip install protobuf" or, on Debian, "apt-get install python3-protobuf"')
from google.protobuf.internal import enum_type_wrapper as _enums

import caffe as _caffe


def _define(names):
    pool = _pools.DescriptorPool()  # of our own: another caffe_pb2 may be in the default one
    pool.AddSerializedFile(_caffe._descriptor)
    file = pool.FindFileByName(_file(_caffe._descriptor))
    if hasattr(_factories, 'GetMessageClass'):
        make = _factories.GetMessageClass
    else:
        make = _factories.MessageFactory(pool).GetPrototype
    for name, message in file.message_types_by_name.items():
        names[name] = make(message)
    for name, enum in file.enum_types_by_name.items():
        names[name] = _enums.EnumTypeWrapper(enum)
        names.update((value.name, value.number) for value in enum.values)
    names['DESCRIPTOR'] = file


def _file(descriptor):
    from google.protobuf import descriptor_pb2
    return descriptor_pb2.FileDescriptorProto.FromString(descriptor).name


_define(globals())
