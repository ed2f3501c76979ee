// fibers.h: runs kernels compiled for the CPU.
#pragma once
#include <cstddef>

struct gc_dim;

// A gc_kernel is a __global__ function with the sizes of its arguments.
struct gc_kernel {
  const char* name;
  void (*call)(const unsigned char* args);  // args[offset[i]]: argument i
  int params;
  const size_t* size;
  const size_t* offset;
  size_t bytes;  // of all arguments
};

// gc_run runs a grid. The result is empty, or describes what the kernel did wrong.
const char* gc_run(const gc_kernel* k, const unsigned char* args, const unsigned grid[3], const unsigned block[3],
                   unsigned char* dynamic_shared);

// gc_seed seeds the random order of warps and blocks.
void gc_seed(unsigned seed);

const gc_kernel* gc_find(const char* name);
void gc_add(const gc_kernel* k);

// gc_entry<f> is the table entry of kernel f.
template <auto F> struct gc_entry;
template <class... A, void (*F)(A...)> struct gc_entry<F> {
  static constexpr size_t align(size_t n) { return (n + 15) / 16 * 16; }
  static constexpr size_t size[sizeof...(A) + 1] = {sizeof(A)..., 0};
  struct offsets {
    size_t at[sizeof...(A) + 1];
    constexpr offsets() : at() {
      for (size_t i = 0; i < sizeof...(A); i++) at[i + 1] = at[i] + align(size[i]);
    }
  };
  static constexpr offsets offset{};
  template <size_t... I> struct indices {};
  template <size_t N, size_t... I> struct count : count<N - 1, N - 1, I...> {};
  template <size_t... I> struct count<0, I...> { typedef indices<I...> type; };
  template <size_t... I> static void spread(const unsigned char* args, indices<I...>) {
    F(*(const A*)(args + offset.at[I])...);
  }
  static void call(const unsigned char* args) { spread(args, typename count<sizeof...(A)>::type()); }
  gc_kernel k;
  explicit gc_entry(const char* name)
      : k{name, call, int(sizeof...(A)), size, offset.at, offset.at[sizeof...(A)]} { gc_add(&k); }
};
