// fibers.cpp runs the threads of a block on one thread of the CPU. A thread that never
// waits costs one call. A thread that waits at a barrier or a shuffle keeps its stack,
// as a fiber, while the next one runs.
#include "fibers.h"

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>

#include "cpu_shim.h"

gc_dim threadIdx, blockIdx, blockDim, gridDim;
unsigned char* gc_dynamic;

namespace {

const int kThreads = 1024, kWarps = 32, kStack = 128 << 10;

std::map<std::string, const gc_kernel*>& kernels() {
  static std::map<std::string, const gc_kernel*> all;
  return all;
}

// ---- switching stacks

#if defined(__x86_64__)
typedef void* stack_t_;
extern "C" void gc_switch(stack_t_* save, stack_t_ to);
// Saves only the registers that a called function must preserve; swapcontext would
// also make a system call for the signal mask.
asm(R"(
.text
.globl gc_switch
.hidden gc_switch
.type gc_switch,@function
gc_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gc_switch,.-gc_switch
)");
void prepare(stack_t_* s, char* top, void (*entry)()) {
  void** p = (void**)((uintptr_t)top & ~(uintptr_t)15);
  *--p = nullptr;  // entry finds the stack as after a call
  *--p = (void*)entry;
  for (int i = 0; i < 6; i++) *--p = nullptr;
  *s = p;
}
#else
typedef ucontext_t* stack_t_;
void gc_switch(stack_t_* save, stack_t_ to) {
  ucontext_t here;
  *save = &here;
  swapcontext(&here, to);
}
void prepare(stack_t_* s, char* top, void (*entry)()) {
  static std::map<char*, ucontext_t> contexts;
  ucontext_t* c = &contexts[top];
  getcontext(c);
  c->uc_stack.ss_sp = top - kStack / 2;
  c->uc_stack.ss_size = kStack / 2;
  c->uc_link = nullptr;
  makecontext(c, entry, 0);
  *s = c;
}
#endif

// ---- the running block

int n, warps;                  // threads and warps of a block
unsigned full[kWarps];         // a warp's lanes
unsigned ready[kWarps];        // lanes that can run
unsigned at_warp[kWarps];      // lanes that wait for their warp
unsigned at_block[kWarps];     // lanes that wait for the block
unsigned done[kWarps];         // lanes that have returned
unsigned runnable;             // warps with ready lanes
int waiting, returned;         // threads at the block's barrier; threads that have returned
int cur;                       // the running thread
bool suspended[kThreads];      // its stack is in sp
stack_t_ sp[kThreads];         // by thread
int fiber_of[kThreads];        // by thread
gc_dim tid[kThreads];
unsigned char slot[2][kWarps][32][64];  // values passed to gc_exchange, double-buffered
bool slot_used = true;
unsigned char parity[kThreads];

stack_t_ fiber[kThreads];      // unused stacks
char* top[kThreads];           // upper ends; null if not allocated yet
int idle[kThreads], n_idle;    // numbers of unused stacks

stack_t_ main_sp;
const gc_kernel* kernel;
const unsigned char* kernel_args;
char failure[512];
volatile bool running;

unsigned rng = 1;
unsigned random_bits() {
  rng ^= rng << 13;
  rng ^= rng >> 17;
  rng ^= rng << 5;
  return rng;
}

void fail(const char* what) {
  snprintf(failure, sizeof failure, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s", kernel->name, blockIdx.x, blockIdx.y,
           blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z, what);
}

// pick returns the next thread to run: the next lane of this warp, or else one of a
// random warp. It returns -1 if the block has finished or failed.
int pick() {
  int w = cur >> 5;
  if (!ready[w]) {
    if (!runnable) {
      if (returned == n) return -1;
      if (waiting + returned < n) {
        fail("deadlock: a warp waits at a shuffle or __syncwarp that some of its lanes do not reach");
        return -1;
      }
      if (returned) {
        fail("a block waits at __syncthreads, but some of its threads have returned");
        return -1;
      }
      for (int i = 0; i < warps; i++) {
        ready[i] = at_block[i];
        at_block[i] = 0;
        runnable |= 1u << i;
      }
      waiting = 0;
    }
    unsigned skip = random_bits() % kWarps;  // the first runnable warp, starting at a random one
    unsigned turned = runnable >> skip | (skip ? runnable << (32 - skip) : 0);
    w = (__builtin_ctz(turned) + skip) & 31;
  }
  const int lane = __builtin_ctz(ready[w]);
  ready[w] &= ready[w] - 1;
  if (!ready[w]) runnable &= ~(1u << w);
  return w * 32 + lane;
}

void set_current(int t) {
  cur = t;
  threadIdx = tid[t];
}

// release_warp lets the lanes of w continue when all that have not returned wait.
void release_warp(int w) {
  if (at_warp[w] && (at_warp[w] | done[w]) == full[w]) {
    ready[w] |= at_warp[w];
    at_warp[w] = 0;
    runnable |= 1u << w;
  }
}

int my_fiber;  // the running fiber

void resume(int t) {  // returns when the calling thread is resumed
  const int me = cur;
  const int from = my_fiber;
  set_current(t);
  suspended[me] = true;
  fiber_of[me] = from;
  if (suspended[t]) {
    suspended[t] = false;
    my_fiber = fiber_of[t];
    gc_switch(&sp[me], sp[t]);
  } else {
    my_fiber = idle[--n_idle];
    gc_switch(&sp[me], fiber[my_fiber]);
  }
}

void wait() {
  const int next = pick();
  if (next == cur) return;
  if (next < 0) {  // failed: discard the stacks of this block
    stack_t_ lost;
    gc_switch(&lost, main_sp);
  }
  resume(next);
}

void fiber_main() {
  for (;;) {
    kernel->call(kernel_args);
    const int w = cur >> 5;
    done[w] |= 1u << (cur & 31);
    returned++;
    release_warp(w);
    const int next = pick();
    const int me = my_fiber;
    if (next >= 0 && !suspended[next]) {
      set_current(next);
      continue;
    }
    idle[n_idle++] = me;
    if (next < 0) {
      gc_switch(&fiber[me], main_sp);
    } else {
      set_current(next);
      suspended[next] = false;
      my_fiber = fiber_of[next];
      gc_switch(&fiber[me], sp[next]);
    }
  }
}

void make_fibers() {
  n_idle = 0;
  for (int i = n - 1; i >= 0; i--) {
    if (!top[i]) {
      char* p = (char*)mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (p == MAP_FAILED) abort();
      mprotect(p, 4096, PROT_NONE);  // stops an overflow
      // equal offsets in all stacks would compete for the same cache lines
      top[i] = p + kStack - (i * 320) % 4096;
      prepare(&fiber[i], top[i], fiber_main);
    }
    idle[n_idle++] = i;
  }
}

// A bad access by a kernel ends the kernel, as on a device, and not the program.
struct sigaction old_segv, old_bus;
char rescue_stack[16384];

void rescue() {
  stack_t_ lost;
  gc_switch(&lost, main_sp);
}

void on_fault(int sig, siginfo_t* info, void* context) {
  if (running) {
    char what[80];
    snprintf(what, sizeof what, "illegal address %p", info->si_addr);
    fail(what);
    ucontext_t* u = (ucontext_t*)context;
    const uintptr_t stack = ((uintptr_t)rescue_stack + sizeof rescue_stack - 64) & ~(uintptr_t)15;
#if defined(__x86_64__)
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)rescue;
    u->uc_mcontext.gregs[REG_RSP] = (greg_t)(stack - 8);
    return;
#elif defined(__aarch64__)
    u->uc_mcontext.pc = (uintptr_t)rescue;
    u->uc_mcontext.sp = stack;
    return;
#endif
  }
  const struct sigaction& old = sig == SIGSEGV ? old_segv : old_bus;
  if (old.sa_flags & SA_SIGINFO) return old.sa_sigaction(sig, info, context);
  signal(sig, SIG_DFL);
}

void catch_faults() {
  static bool set;
  if (set) return;
  set = true;
  struct sigaction a = {};
  a.sa_sigaction = on_fault;
  a.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigfillset(&a.sa_mask);
  sigaction(SIGSEGV, &a, &old_segv);
  sigaction(SIGBUS, &a, &old_bus);
}

void run_block() {
  for (int w = 0; w < warps; w++) {
    ready[w] = full[w];
    at_warp[w] = at_block[w] = done[w] = 0;
  }
  runnable = warps == 32 ? ~0u : (1u << warps) - 1;
  waiting = returned = 0;
  cur = 0;
  cur = (random_bits() % warps) * 32;
  set_current(pick());
  my_fiber = idle[--n_idle];
  gc_switch(&main_sp, fiber[my_fiber]);
}

}  // namespace

void gc_add(const gc_kernel* k) {
  if (!kernels().emplace(k->name, k).second) {
    fprintf(stderr, "fake CUDA: two kernels have the name %s\n", k->name);
    abort();
  }
}

const gc_kernel* gc_find(const char* name) {
  auto k = kernels().find(name);
  return k == kernels().end() ? nullptr : k->second;
}

void gc_seed(unsigned seed) { rng = seed * 2654435761u | 1; }

void gc_block_barrier() {
  at_block[cur >> 5] |= 1u << (cur & 31);
  waiting++;
  wait();
}

void gc_warp_barrier() {
  const int w = cur >> 5;
  at_warp[w] |= 1u << (cur & 31);
  release_warp(w);
  wait();
}

const unsigned char* gc_exchange(const void* mine, unsigned bytes) {
  const int w = cur >> 5, p = parity[cur] ^= 1;
  memcpy(slot[p][w][cur & 31], mine, bytes);
  slot_used = true;
  gc_warp_barrier();
  return slot[p][w][0];
}

const char* gc_run(const gc_kernel* k, const unsigned char* args, const unsigned grid[3], const unsigned block[3],
                   unsigned char* dynamic_shared) {
  catch_faults();
  kernel = k;
  kernel_args = args;
  gc_dynamic = dynamic_shared;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  n = block[0] * block[1] * block[2];
  warps = (n + 31) / 32;
  for (int t = 0; t < n; t++) {
    tid[t] = {t % block[0], t / block[0] % block[1], t / (block[0] * block[1])};
    suspended[t] = false;
    parity[t] = 0;
  }
  for (int w = 0; w < warps; w++) full[w] = n - w * 32 >= 32 ? ~0u : (1u << (n - w * 32)) - 1;
  if (slot_used) memset(slot, 0xff, sizeof slot);  // missing lanes give NaN
  slot_used = false;
  failure[0] = 0;
  make_fibers();
  const uint64_t blocks = (uint64_t)grid[0] * grid[1] * grid[2];
  const uint64_t first = random_bits() % blocks;
  running = true;
  for (uint64_t i = 0; i < blocks && !failure[0]; i++) {
    const uint64_t b = (i + first) % blocks;
    blockIdx = {unsigned(b % grid[0]), unsigned(b / grid[0] % grid[1]), unsigned(b / grid[0] / grid[1])};
    run_block();
  }
  running = false;
  if (failure[0])
    for (int i = 0; i < kThreads; i++)
      if (top[i]) prepare(&fiber[i], top[i], fiber_main);
  return failure;
}
