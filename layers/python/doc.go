// Package python provides the layer type Python: layers that are classes of the
// user's, in Python and derived from caffe.Layer, as Caffe runs them in its own
// process. See docs/python-layers.md.
//
// They run in a process of their own, the user's python3, one for all nets of the
// program. The files have one subject each:
//
//   - python.go: the layer, as a net sees it
//   - blobs.go: its blobs in the memory that both processes share
//   - memory.go: that memory, a file mapped by both
//   - process.go: the process, from its start to its end
//   - call.go: one call into it
//   - native.go: classes that are written in Go instead
//   - frame.go: the messages of a call
//   - pycaffe/worker.py: the program on the other side
//   - pycaffe/caffe.py, io.py, caffe_pb2.py: the module that layers import as caffe
//
// A pass is one message to the process and one back. Blobs are not in them: before a
// pass, bottoms and weights are copied to the shared memory, where Python has them as
// NumPy arrays, and afterwards the results are copied out. So nothing that the process
// does, and no end of it, can damage the blobs of a net.
package python
