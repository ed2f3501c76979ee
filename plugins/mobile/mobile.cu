// ShuffleChannel, L1Loss and ChannelScale, one thread for each element.
#include "gpu.h"

// The channels of x, rows x columns of inner elements, in the order of columns x rows.
extern "C" __global__ void shuffle_channel_pass(const float *x, float *y, int rows, int columns, int inner, int n) {
  GC_EACH(i, n) {
    const int size = rows * columns, channel = i / inner % size, item = i / inner / size;
    const int row = channel % rows, column = channel / rows;
    y[i] = x[((long long)item * size + row * columns + column) * inner + i % inner];
  }
}

// The sign and the absolute value of a - b.
extern "C" __global__ void l1_loss_forward(const float *a, const float *b, float *sign, float *absolute, int n) {
  GC_EACH(i, n) {
    const float v = a[i] - b[i];
    sign[i] = v > 0 ? 1.f : v < 0 ? -1.f : v;
    absolute[i] = fabsf(v);
  }
}

// dx = dloss scale sign
extern "C" __global__ void l1_loss_backward(const float *sign, const float *dloss, float scale, float *dx, int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) dx[i] = weight * sign[i];
}

// y = x a, where x has c channels of s elements, and a has one.
extern "C" __global__ void channel_scale_pass(const float *x, const float *a, float *y, int c, int s, int n) {
  GC_EACH(i, n) y[i] = x[i] * a[i / s / c * s + i % s];
}

// da is the sum of x dy over the c channels, for n elements of a.
extern "C" __global__ void channel_scale_sum(const float *x, const float *dy, float *da, int c, int s, int n) {
  GC_EACH(i, n) {
    const long long start = (long long)(i / s) * c * s + i % s;
    float sum = 0;
    for (int k = 0; k < c; k++) sum += x[start + (long long)k * s] * dy[start + (long long)k * s];
    da[i] = sum;
  }
}

// y = factor x + shift, or dropped where mask is 0.
extern "C" __global__ void selu_dropout_forward(const float *x, const float *mask, float *y, float factor, float shift,
                                                float dropped, int n) {
  GC_EACH(i, n) y[i] = mask[i] == 0 ? dropped : factor * x[i] + shift;
}
