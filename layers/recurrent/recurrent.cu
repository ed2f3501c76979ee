// recurrent.cu: one time step of an LSTM, and the hyperbolic tangent.
#include "gpu.h"

GC_INLINE float logistic(float x) { return 1.f / (1.f + expf(-x)); }

// Unit i of all streams of d units. Its stream is i / d, computed by mul and shift. x,
// acts and dx have four blocks of d elements per stream: see cell.go.

// acts may be x
extern "C" __global__ void lstm_forward(const float *cont, const float *x, const float *prev, float *acts, float *c,
                                        float *h, int d, int count, unsigned mul, unsigned shift) {
  GC_EACH(i, count) {
    const unsigned stream = gc_divide(i, mul, shift);
    const long long at = (long long)stream * 3 * d + i;
    const float k = cont[stream];
    const float in = logistic(x[at]), forget = k == 0.f ? 0.f : k * logistic(x[at + d]);
    const float out = logistic(x[at + 2 * d]), g = tanhf(x[at + 3 * d]);
    const float cell = forget * prev[i] + in * g;
    acts[at] = in;
    acts[at + d] = forget;
    acts[at + 2 * d] = out;
    acts[at + 3 * d] = g;
    c[i] = cell;
    h[i] = out * tanhf(cell);
  }
}

// dprev may be dc; a bound above 0 limits dx
extern "C" __global__ void lstm_backward(const float *acts, const float *prev, const float *c, const float *dc,
                                         const float *dh, float *dx, float *dprev, float bound, int d, int count,
                                         unsigned mul, unsigned shift) {
  GC_EACH(i, count) {
    const long long at = (long long)gc_divide(i, mul, shift) * 3 * d + i;
    const float in = acts[at], forget = acts[at + d], out = acts[at + 2 * d], g = acts[at + 3 * d];
    const float t = tanhf(c[i]), cell = dc[i] + dh[i] * out * (1.f - t * t);
    dx[at] = cell * g * in * (1.f - in);
    dx[at + d] = cell * prev[i] * forget * (1.f - forget);
    dx[at + 2 * d] = dh[i] * t * out * (1.f - out);
    dx[at + 3 * d] = cell * in * (1.f - g * g);
    dprev[i] = cell * forget;
    if (bound > 0.f)
      for (int k = 0; k < 4; k++) dx[at + k * d] = fminf(fmaxf(dx[at + k * d], -bound), bound);
  }
}

// y = tanh(x); y may be x
extern "C" __global__ void rnn_tanh(const float *x, float *y, int n) {
  GC_EACH(i, n) y[i] = tanhf(x[i]);
}

// dx = dy (1 - y²)
extern "C" __global__ void rnn_tanh_backward(const float *y, const float *dy, float *dx, int n) {
  GC_EACH(i, n) dx[i] = dy[i] * (1.f - y[i] * y[i]);
}
