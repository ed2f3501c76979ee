// InfogainLoss, from the probabilities p. h is classes x classes, rows has the sums of
// its rows. The probabilities of place i of n are inner elements apart.
#include "loss.h"

extern "C" __global__ void infogain_loss_rows(const float *h, float *rows, int classes) {
  GC_EACH(r, classes) {
    double sum = 0;
    for (int k = 0; k < classes; k++) sum += h[(long long)r * classes + k];
    rows[r] = (float)sum;
  }
}

extern "C" __global__ void infogain_loss_terms(const float *p, const int *cls, const float *h, float least,
                                               float *term, int classes, int inner, int n) {
  GC_EACH(i, n) {
    const int c = cls[i];
    double sum = 0;
    if (c >= 0) {
      const float *at = p + (long long)(i / inner) * classes * inner + i % inner, *row = h + (long long)c * classes;
      for (int k = 0; k < classes; k++)
        if (row[k] != 0) sum -= (double)row[k] * logf(fmaxf(at[(long long)k * inner], least));
    }
    term[i] = (float)sum;
  }
}

// One thread for each score.
extern "C" __global__ void infogain_loss_backward(const float *p, const int *cls, const float *h, const float *rows,
                                                  const float *dloss, float given, const int *valid, float *dx,
                                                  int classes, int inner, int n) {
  const float weight = *dloss / normalizer(given, valid);
  GC_EACH(i, n) {
    const int place = i / (classes * inner) * inner + i % inner, c = i / inner % classes, t = cls[place];
    dx[i] = t < 0 ? 0.f : (p[i] * rows[t] - h[(long long)t * classes + c]) * weight;
  }
}
