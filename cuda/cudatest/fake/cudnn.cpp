// cudnn.cpp implements the functions of cuDNN that package lib calls, slowly.
#include <cstring>

#include "fake.h"

namespace {

enum { NOT_INITIALIZED = 1, BAD_PARAM = 3, EXECUTION_FAILED = 8, NOT_SUPPORTED = 9 };

struct Dnn : Object {
  CUstream stream = nullptr;
  Dnn() : Object("cuDNN handle") {}
};
struct Tensor : Object {
  int n = 0, c = 0, h = 0, w = 0;
  Tensor() : Object("tensor descriptor") {}
};
struct Filter : Object {
  int k = 0, c = 0, h = 0, w = 0;
  Filter() : Object("filter descriptor") {}
};
struct Convolution : Object {
  int pad_h = 0, pad_w = 0, stride_h = 0, stride_w = 0, dilation_h = 0, dilation_w = 0, groups = 1, math = 0;
  Convolution() : Object("convolution descriptor") {}
};

Dnn* dnn(void* h, const char* call) { return (Dnn*)fake_object(h, call, "cuDNN handle"); }
Tensor* tensor(void* h, const char* call) { return (Tensor*)fake_object(h, call, "tensor descriptor"); }
Filter* filter(void* h, const char* call) { return (Filter*)fake_object(h, call, "filter descriptor"); }
Convolution* convolution(void* h, const char* call) { return (Convolution*)fake_object(h, call, "convolution descriptor"); }

size_t bytes(const Tensor& t) { return size_t(t.n) * t.c * t.h * t.w * 4; }
size_t bytes(const Filter& f) { return size_t(f.k) * f.c * f.h * f.w * 4; }

int out(int in, int pad, int kernel, int stride, int dilation) { return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1; }

// A Shape is the descriptors of a convolution.
struct Shape {
  Tensor x, y;
  Filter w;
  Convolution c;
  // fits reports whether they agree.
  bool fits() const {
    return x.n == y.n && x.c == w.c * c.groups && y.c == w.k && w.k % c.groups == 0 &&
           y.h == out(x.h, c.pad_h, w.h, c.stride_h, c.dilation_h) && y.w == out(x.w, c.pad_w, w.w, c.stride_w, c.dilation_w);
  }
  // each calls f for every product, with the indices into x, w and y.
  template <class F> void each(F f) const {
    const int per = w.k / c.groups;
    for (int n = 0; n < y.n; n++)
      for (int k = 0; k < y.c; k++)
        for (int oh = 0; oh < y.h; oh++)
          for (int ow = 0; ow < y.w; ow++)
            for (int i = 0; i < w.c; i++)
              for (int kh = 0; kh < w.h; kh++)
                for (int kw = 0; kw < w.w; kw++) {
                  const int ih = oh * c.stride_h - c.pad_h + kh * c.dilation_h, iw = ow * c.stride_w - c.pad_w + kw * c.dilation_w;
                  if (ih < 0 || iw < 0 || ih >= x.h || iw >= x.w) continue;
                  f(((size_t(n) * x.c + k / per * w.c + i) * x.h + ih) * x.w + iw, ((size_t(k) * w.c + i) * w.h + kh) * w.w + kw,
                    ((size_t(n) * y.c + k) * y.h + oh) * y.w + ow);
                }
  }
};

struct Performance {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math, reserved[3];
};

// The fastest algorithm is not deterministic, so package lib must not use it. The
// next, number 2, needs fake_workspace bytes, and the last, number 1, kSmall.
const size_t kSmall = 1024;
size_t workspace_of(int algorithm) { return algorithm == 2 ? fake_workspace : kSmall; }

int propose(const Convolution* c, int wanted, int* n, Performance* p) {
  const Performance all[3] = {{0, 0, 1.f, 0, 0, c->math, {}}, {2, 0, 2.f, fake_workspace, 1, c->math, {}}, {1, 0, 3.f, kSmall, 1, c->math, {}}};
  *n = 0;
  for (int i = 0; i < 3 && i < wanted; i++) p[(*n)++] = all[i];
  return 0;
}

int run(const char* call, void* handle, const Shape& s, int algorithm, void* workspace, size_t size, size_t a_bytes, const void* a,
        size_t b_bytes, const void* b, size_t r_bytes, void* r, const float* alpha, const float* beta, int which) {
  Dnn* d = dnn(handle, call);
  if (!d) return NOT_INITIALIZED;
  if (!s.fits()) {
    fake_problem("%s: the descriptors do not agree", call);
    return BAD_PARAM;
  }
  if ((algorithm != 1 && algorithm != 2) || size < workspace_of(algorithm)) {
    fake_problem("%s: algorithm %d with a workspace of %zu bytes", call, algorithm, size);
    return BAD_PARAM;
  }
  if (!fake_check(call, a, a_bytes) || !fake_check(call, b, b_bytes) || !fake_check(call, r, r_bytes) || !fake_check(call, workspace, size))
    return EXECUTION_FAILED;
  const float al = *alpha, be = *beta;
  return fake_push(d->stream, call, [=] {
    const float *p = (const float*)a, *q = (const float*)b;
    float* sum = (float*)r;
    for (size_t i = 0; i < r_bytes / 4; i++) sum[i] = be == 0 ? 0 : be * sum[i];
    s.each([&](size_t x, size_t w, size_t y) {
      if (which == 0) sum[y] += al * p[x] * q[w];
      if (which == 1) sum[x] += al * p[w] * q[y];
      if (which == 2) sum[w] += al * p[x] * q[y];
    });
    memset(workspace, 0xaa, size);
    return 0;
  }) ? EXECUTION_FAILED : 0;
}

template <class T> int create(void** handle) {
  T* o = new T;
  fake_keep(o);
  *handle = o;
  return 0;
}

int destroy(Object* o) {
  if (!o) return BAD_PARAM;
  fake_destroy(o);
  return 0;
}

}  // namespace

API size_t cudnnGetVersion() { return 90100; }

API const char* cudnnGetErrorString(int code) {
  switch (code) {
    case NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "CUDNN_STATUS_NOT_SUPPORTED";
}

API int cudnnCreate(void** handle) {
  ENTER("cudnnCreate");
  return fake_context() ? create<Dnn>(handle) : NOT_INITIALIZED;
}

API int cudnnDestroy(void* handle) {
  ENTER("cudnnDestroy");
  return destroy(dnn(handle, "cudnnDestroy"));
}

API int cudnnSetStream(void* handle, CUstream stream) {
  ENTER("cudnnSetStream");
  Dnn* d = dnn(handle, "cudnnSetStream");
  if (!d) return NOT_INITIALIZED;
  d->stream = stream;
  return 0;
}

API int cudnnCreateTensorDescriptor(void** handle) {
  ENTER("cudnnCreateTensorDescriptor");
  return create<Tensor>(handle);
}

API int cudnnDestroyTensorDescriptor(void* handle) {
  ENTER("cudnnDestroyTensorDescriptor");
  return destroy(tensor(handle, "cudnnDestroyTensorDescriptor"));
}

API int cudnnSetTensor4dDescriptor(void* handle, int format, int type, int n, int c, int h, int w) {
  ENTER("cudnnSetTensor4dDescriptor", "%d, %d, %d %d %d %d", format, type, n, c, h, w);
  Tensor* t = tensor(handle, "cudnnSetTensor4dDescriptor");
  if (!t || n < 1 || c < 1 || h < 1 || w < 1) return BAD_PARAM;
  if (format || type) return NOT_SUPPORTED;
  t->n = n, t->c = c, t->h = h, t->w = w;
  return 0;
}

API int cudnnCreateFilterDescriptor(void** handle) {
  ENTER("cudnnCreateFilterDescriptor");
  return create<Filter>(handle);
}

API int cudnnDestroyFilterDescriptor(void* handle) {
  ENTER("cudnnDestroyFilterDescriptor");
  return destroy(filter(handle, "cudnnDestroyFilterDescriptor"));
}

API int cudnnSetFilter4dDescriptor(void* handle, int type, int format, int k, int c, int h, int w) {
  ENTER("cudnnSetFilter4dDescriptor", "%d, %d, %d %d %d %d", type, format, k, c, h, w);
  Filter* f = filter(handle, "cudnnSetFilter4dDescriptor");
  if (!f || k < 1 || c < 1 || h < 1 || w < 1) return BAD_PARAM;
  if (format || type) return NOT_SUPPORTED;
  f->k = k, f->c = c, f->h = h, f->w = w;
  return 0;
}

API int cudnnCreateConvolutionDescriptor(void** handle) {
  ENTER("cudnnCreateConvolutionDescriptor");
  return create<Convolution>(handle);
}

API int cudnnDestroyConvolutionDescriptor(void* handle) {
  ENTER("cudnnDestroyConvolutionDescriptor");
  return destroy(convolution(handle, "cudnnDestroyConvolutionDescriptor"));
}

API int cudnnSetConvolution2dDescriptor(void* handle, int pad_h, int pad_w, int u, int v, int dilation_h, int dilation_w, int mode,
                                        int compute) {
  ENTER("cudnnSetConvolution2dDescriptor", "%d %d, %d %d, %d %d, %d, %d", pad_h, pad_w, u, v, dilation_h, dilation_w, mode, compute);
  Convolution* c = convolution(handle, "cudnnSetConvolution2dDescriptor");
  if (!c || u < 1 || v < 1 || dilation_h < 1 || dilation_w < 1) return BAD_PARAM;
  if (mode != 1 || compute) return NOT_SUPPORTED;
  c->pad_h = pad_h, c->pad_w = pad_w, c->stride_h = u, c->stride_w = v, c->dilation_h = dilation_h, c->dilation_w = dilation_w;
  return 0;
}

API int cudnnSetConvolutionGroupCount(void* handle, int groups) {
  ENTER("cudnnSetConvolutionGroupCount", "%d", groups);
  Convolution* c = convolution(handle, "cudnnSetConvolutionGroupCount");
  if (!c || groups < 1) return BAD_PARAM;
  c->groups = groups;
  return 0;
}

API int cudnnSetConvolutionMathType(void* handle, int math) {
  ENTER("cudnnSetConvolutionMathType", "%d", math);
  Convolution* c = convolution(handle, "cudnnSetConvolutionMathType");
  if (!c) return BAD_PARAM;
  c->math = math;
  return 0;
}

#define ALGORITHM(NAME)                                                                                                     \
  API int NAME(void* handle, void*, void*, void* conv, void*, int wanted, int* n, Performance* p) {                         \
    ENTER(#NAME);                                                                                                           \
    Convolution* c = convolution(conv, #NAME);                                                                              \
    return dnn(handle, #NAME) && c ? propose(c, wanted, n, p) : BAD_PARAM;                                                  \
  }
ALGORITHM(cudnnGetConvolutionForwardAlgorithm_v7)
ALGORITHM(cudnnGetConvolutionBackwardDataAlgorithm_v7)
ALGORITHM(cudnnGetConvolutionBackwardFilterAlgorithm_v7)

#define WORKSPACE(NAME)                                                                       \
  API int NAME(void* handle, void*, void*, void* conv, void*, int algorithm, size_t* bytes) { \
    ENTER(#NAME);                                                                             \
    *bytes = workspace_of(algorithm);                                                         \
    return dnn(handle, #NAME) && convolution(conv, #NAME) ? 0 : BAD_PARAM;                    \
  }
WORKSPACE(cudnnGetConvolutionForwardWorkspaceSize)
WORKSPACE(cudnnGetConvolutionBackwardDataWorkspaceSize)
WORKSPACE(cudnnGetConvolutionBackwardFilterWorkspaceSize)

API int cudnnConvolutionForward(void* handle, const float* alpha, void* xd, const void* x, void* wd, const void* w, void* cd,
                                int algorithm, void* workspace, size_t size, const float* beta, void* yd, void* y) {
  ENTER("cudnnConvolutionForward");
  const char* me = "cudnnConvolutionForward";
  Tensor *tx = tensor(xd, me), *ty = tensor(yd, me);
  Filter* f = filter(wd, me);
  Convolution* c = convolution(cd, me);
  if (!tx || !ty || !f || !c) return BAD_PARAM;
  return run(me, handle, {*tx, *ty, *f, *c}, algorithm, workspace, size, bytes(*tx), x, bytes(*f), w, bytes(*ty), y, alpha, beta, 0);
}

API int cudnnConvolutionBackwardData(void* handle, const float* alpha, void* wd, const void* w, void* yd, const void* dy, void* cd,
                                     int algorithm, void* workspace, size_t size, const float* beta, void* xd, void* dx) {
  ENTER("cudnnConvolutionBackwardData");
  const char* me = "cudnnConvolutionBackwardData";
  Tensor *tx = tensor(xd, me), *ty = tensor(yd, me);
  Filter* f = filter(wd, me);
  Convolution* c = convolution(cd, me);
  if (!tx || !ty || !f || !c) return BAD_PARAM;
  return run(me, handle, {*tx, *ty, *f, *c}, algorithm, workspace, size, bytes(*f), w, bytes(*ty), dy, bytes(*tx), dx, alpha, beta, 1);
}

API int cudnnConvolutionBackwardFilter(void* handle, const float* alpha, void* xd, const void* x, void* yd, const void* dy, void* cd,
                                       int algorithm, void* workspace, size_t size, const float* beta, void* wd, void* dw) {
  ENTER("cudnnConvolutionBackwardFilter");
  const char* me = "cudnnConvolutionBackwardFilter";
  Tensor *tx = tensor(xd, me), *ty = tensor(yd, me);
  Filter* f = filter(wd, me);
  Convolution* c = convolution(cd, me);
  if (!tx || !ty || !f || !c) return BAD_PARAM;
  return run(me, handle, {*tx, *ty, *f, *c}, algorithm, workspace, size, bytes(*tx), x, bytes(*ty), dy, bytes(*f), dw, alpha, beta, 2);
}
