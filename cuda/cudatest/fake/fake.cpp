// fake.cpp is a libcuda for tests that computes on the CPU. Device memory is host
// memory between inaccessible pages; kernels are the .cu files compiled for the CPU
// (fibers.cpp); work in streams runs late, in a random order among streams, as it may
// on a device. It records mistakes that would crash a device, or that a device would
// not detect.
#include "fake.h"

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <sys/mman.h>
#include <vector>

#include "fibers.h"

// Results, with the driver's numbers.
enum {
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_PTX = 218,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_FAILED = 719,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  CAPTURE_UNJOINED = 904,
};

std::recursive_mutex fake_mutex;
static const uint64_t kWorkspace = 1ull << 40;
uint64_t fake_workspace = kWorkspace;

namespace {

struct Context : Object {
  int retained = 0;
  Context() : Object("context") {}
};

struct Event;

struct Op {
  std::string name;
  std::function<int()> work;
  Event* wait = nullptr;  // runs only after this event has reached version
  uint64_t version = 0;
};

struct Graph : Object {
  std::vector<Op> ops;
  bool bad = false;
  Graph() : Object("graph") {}
};

struct GraphExec : Object {
  std::vector<Op> ops;
  GraphExec() : Object("graph exec") {}
};

struct Stream : Object {
  std::deque<Op> queue;
  Graph* capture = nullptr;
  bool origin = false;    // the capture began in this stream
  bool unjoined = false;  // captured work that the origin has not waited for
  Stream() : Object("stream") {}
};

struct Event : Object {
  bool timing = false;
  uint64_t recorded = 0, done = 0;  // versions
  double time = 0;
  Graph* capture = nullptr;         // recorded in a captured stream
  std::set<Stream*> after;          // captured streams whose work precedes it
  Event() : Object("event") {}
};

struct Module : Object {
  std::string ptx;
  std::vector<struct Function*> functions;
  Module() : Object("module") {}
};

struct Function : Object {
  const gc_kernel* kernel = nullptr;
  int max_threads = 1024, static_shared = 0, max_dynamic = 48 << 10;
  Function() : Object("function") {}
};

const size_t kGuard = 4096;
const unsigned char kFresh = 0xff;  // content of new memory: NaN as float

struct Block {
  char* map;
  size_t mapped, bytes;
  int device;  // -1: pinned host memory
};

struct Rule {
  std::string call;
  int number, code;
};

struct State {
  // settings
  int devices = 1, version = 12040, capability = 80, multiprocessors = 4, log = 0;
  uint64_t memory = 8ull << 30;
  std::string async = "random", uncapturable;
  unsigned seed = 1;
  std::vector<Rule> rules;

  bool initialized = false;
  int sticky = 0;
  std::map<int, Context*> primary;
  std::set<Object*> live;  // handles
  uint64_t objects = 0;    // made so far
  std::map<uintptr_t, Block> memory_blocks;  // by address
  std::map<uintptr_t, size_t> freed;
  std::deque<Block> quarantine;
  std::map<int, uint64_t> used;
  std::map<std::string, int> counts;
  std::vector<std::string> calls, problems;
  Stream null_stream;
  unsigned rng = 1;
};

State* g = new State;
thread_local Context* current;

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

unsigned random_bits() {
  g->rng = g->rng * 1664525u + 1013904223u;
  return g->rng >> 8;
}

template <class T> T* as(void* handle, const char* call) {
  Object* o = (Object*)handle;
  if (!g->live.count(o)) {
    fake_problem("%s: a handle that does not exist or was destroyed", call);
    return nullptr;
  }
  T* t = dynamic_cast<T*>(o);
  if (!t) fake_problem("%s: a handle of a %s", call, o->kind);
  return t;
}

template <class T> T* make(T* o) {
  fake_keep(o);
  return o;
}

void destroy(Object* o) { fake_destroy(o); }

// ---- streams

void finish_op(Op& op) {
  if (g->sticky) return;
  if (int code = op.work()) g->sticky = code;
}

bool can_run(const Op& op) { return !op.wait || !g->live.count(op.wait) || op.wait->done >= op.version; }

std::vector<Stream*> streams() {
  std::vector<Stream*> all;
  for (Object* o : g->live)
    if (Stream* s = dynamic_cast<Stream*>(o))
      if (!s->queue.empty()) all.push_back(s);
  std::sort(all.begin(), all.end(), [](Stream* a, Stream* b) { return a->number < b->number; });
  return all;
}

bool step(Stream* s) {
  if (s->queue.empty() || !can_run(s->queue.front())) return false;
  Op op = std::move(s->queue.front());
  s->queue.pop_front();
  finish_op(op);
  return true;
}

// drain runs all work of s, and the work of other streams that it waits for.
void drain(Stream* s) {
  while (!s->queue.empty()) {
    if (step(s)) continue;
    bool moved = false;
    for (Stream* other : streams()) moved = moved || (other != s && step(other));
    if (!moved) {
      fake_problem("a stream waits for an event that never comes");
      s->queue.clear();
    }
  }
}

void drain_all() {
  for (Stream* s : streams()) drain(s);
}

// advance runs a random amount of queued work.
void advance() {
  if (g->async == "eager") return drain_all();
  if (g->async != "random") return;
  unsigned steps = random_bits() % 8;
  if (steps > 4) return;
  std::vector<Stream*> all = streams();
  while (steps-- && !all.empty()) step(all[random_bits() % all.size()]);
}

int push(Stream* s, Op op) {
  if (s->capture) {
    s->capture->ops.push_back(std::move(op));
    if (!s->origin) s->unjoined = true;
    return 0;
  }
  if (s == &g->null_stream) {
    finish_op(op);
    return g->sticky;
  }
  s->queue.push_back(std::move(op));
  if (g->async == "eager") drain(s);
  return 0;
}

Stream* stream_of(void* handle, const char* call) {
  if (!handle) return &g->null_stream;
  Stream* s = as<Stream>(handle, call);
  if (s && current && s->device != current->device) {
    fake_problem("%s: a stream of device %d while device %d is current", call, s->device, current->device);
    return nullptr;
  }
  return s;
}

// unsafe returns an error for a call that is not allowed while a stream is captured.
int unsafe(const char* call) {
  for (Object* o : g->live) {
    Stream* s = dynamic_cast<Stream*>(o);
    if (s && s->capture) {
      fake_problem("%s while a stream is captured", call);
      s->capture->bad = true;
      return CAPTURE_UNSUPPORTED;
    }
  }
  return 0;
}

#define CONTEXT(call) \
  if (!current || !g->live.count(current)) return INVALID_CONTEXT
#define UNSAFE(call) \
  if (int code_ = unsafe(call)) return code_
#define STREAM(s, handle, call)         \
  Stream* s = stream_of(handle, call); \
  if (!s) return INVALID_HANDLE

// ---- memory

// Memory ends before an inaccessible page. What remains of a page between them, and
// before the first byte, is checked for writes.
void* take(size_t bytes, int device) {
  const size_t rounded = (bytes + 255) / 256 * 256;
  const size_t pages = (rounded + kGuard - 1) / kGuard * kGuard;
  Block b;
  b.mapped = pages + 2 * kGuard;
  b.bytes = bytes;
  b.device = device;
  b.map = (char*)mmap(nullptr, b.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (b.map == MAP_FAILED) return nullptr;
  mprotect(b.map, kGuard, PROT_NONE);
  mprotect(b.map + kGuard + pages, kGuard, PROT_NONE);
  memset(b.map + kGuard, kFresh, pages);
  char* p = b.map + kGuard + pages - rounded;
  g->memory_blocks[(uintptr_t)p] = b;
  g->freed.erase((uintptr_t)p);
  return p;
}

bool intact(uintptr_t p, const Block& b) {
  const unsigned char* end = (const unsigned char*)b.map + b.mapped - kGuard;
  for (const unsigned char* q = (const unsigned char*)p + b.bytes; q < end; q++)
    if (*q != kFresh) return false;
  for (const unsigned char* q = (const unsigned char*)b.map + kGuard; q < (const unsigned char*)p; q++)
    if (*q != kFresh) return false;
  return true;
}

void check_guards(const std::string& after) {
  for (auto& [p, b] : g->memory_blocks) {
    if (intact(p, b)) continue;
    fake_problem("%s wrote outside the %zu bytes at %p", after.c_str(), b.bytes, (void*)p);
    memset((char*)p + b.bytes, kFresh, b.map + b.mapped - kGuard - (char*)p - b.bytes);
    memset(b.map + kGuard, kFresh, (char*)p - b.map - kGuard);
  }
}

void give(uintptr_t p) {
  Block b = g->memory_blocks[p];
  g->memory_blocks.erase(p);
  g->freed[p] = b.bytes;
  mprotect(b.map, b.mapped, PROT_NONE);
  madvise(b.map, b.mapped, MADV_DONTNEED);
  g->quarantine.push_back(b);
  if (g->quarantine.size() > 4096) {
    munmap(g->quarantine.front().map, g->quarantine.front().mapped);
    g->quarantine.pop_front();
  }
}

// range returns the live block that contains the bytes at p.
const Block* range(const char* call, const void* p, size_t bytes, bool pinned) {
  const uintptr_t a = (uintptr_t)p;
  auto it = g->memory_blocks.upper_bound(a);
  if (it != g->memory_blocks.begin()) {
    --it;
    if ((it->second.device < 0) == pinned && a - it->first < it->second.bytes && bytes <= it->second.bytes - (a - it->first))
      return &it->second;
    if ((it->second.device < 0) == pinned && a - it->first < it->second.bytes) {
      fake_problem("%s: %zu bytes at offset %zu of a block of %zu bytes", call, bytes, size_t(a - it->first), it->second.bytes);
      return nullptr;
    }
  }
  auto old = g->freed.upper_bound(a);
  if (old != g->freed.begin() && a - (--old)->first < old->second) {
    fake_problem("%s: memory that was freed", call);
    return nullptr;
  }
  fake_problem("%s: %p is not %s memory", call, p, pinned ? "pinned host" : "device");
  return nullptr;
}

const Block* device_range(const char* call, const void* p, size_t bytes) { return range(call, p, bytes, false); }

// ---- PTX

int entry_params(const std::string& ptx, const std::string& name, int* max_threads) {
  size_t at = ptx.find(".entry " + name + "(");
  if (at == std::string::npos) at = ptx.find(".entry " + name + "\n");
  if (at == std::string::npos) at = ptx.find(".entry " + name + " ");
  if (at == std::string::npos) return -1;
  const size_t close = ptx.find(')', at), brace = ptx.find('{', at);
  int n = 0;
  for (size_t p = ptx.find(".param", at); p < close; p = ptx.find(".param", p + 1)) n++;
  const size_t m = ptx.find(".maxntid", at);
  if (m < brace) {
    int x = 1, y = 1, z = 1;
    sscanf(ptx.c_str() + m, ".maxntid %d, %d, %d", &x, &y, &z);
    *max_threads = x * y * z;
  }
  return n;
}

// entry_shared returns the static shared memory of a kernel: what its body declares,
// and what it uses of the module's.
int entry_shared(const std::string& ptx, const std::string& name) {
  const size_t at = ptx.find(".entry " + name + "(");
  const size_t end = std::min(ptx.find("\n}", at), ptx.size());
  int bytes = 0;
  for (size_t p = ptx.find(".shared .align"); p != std::string::npos; p = ptx.find(".shared .align", p + 1)) {
    const size_t open = ptx.find('[', p), start = ptx.rfind(' ', open) + 1;
    const bool here = p > at && p < end, modules = p > 0 && ptx[p - 1] == '\n';
    if (here || (modules && ptx.find(ptx.substr(start, open - start), at) < end)) bytes += atoi(ptx.c_str() + open + 1);
  }
  return bytes;
}

// too_new returns an instruction in the PTX that a target does not have. clang does
// not check inline assembly; the driver's compiler does.
const char* too_new(const char* ptx, int target) {
  const struct {
    const char* text;
    int target;
  } all[] = {{".tf32", 80}, {".bf16", 80}, {"cp.async", 80}, {"redux.sync", 80}, {"ldmatrix", 75}, {"mma.sync", 70}};
  for (auto& i : all)
    if (target < i.target && strstr(ptx, i.text)) return i.text;
  return nullptr;
}

void configure(const std::string& text) {
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    const size_t eq = word.find('=');
    const std::string key = word.substr(0, eq), value = eq == std::string::npos ? "" : word.substr(eq + 1);
    if (key == "devices") g->devices = atoi(value.c_str());
    else if (key == "version") g->version = atoi(value.c_str());
    else if (key == "capability") g->capability = atoi(value.c_str());
    else if (key == "multiprocessors") g->multiprocessors = atoi(value.c_str());
    else if (key == "memory") g->memory = strtoull(value.c_str(), nullptr, 10);
    else if (key == "async") g->async = value;
    else if (key == "log") g->log = atoi(value.c_str());
    else if (key == "workspace") fake_workspace = strtoull(value.c_str(), nullptr, 10);
    else if (key == "uncapturable") g->uncapturable = value;
    else if (key == "seed") {
      g->seed = g->rng = atoi(value.c_str());
      gc_seed(g->seed);
    } else if (key == "fail") {
      const size_t a = value.find(':'), b = value.find(':', a + 1);
      const std::string call = value.substr(0, a);
      g->rules.push_back({call, g->counts[call] + atoi(value.c_str() + a + 1), atoi(value.c_str() + b + 1)});
    } else fake_problem("unknown setting %s", word.c_str());
  }
}

struct AtStart {
  AtStart() {
    if (const char* text = getenv("GOCAFFE_FAKE")) configure(text);
  }
};
AtStart at_start;

std::string join(const std::vector<std::string>& lines) {
  std::string all;
  for (auto& l : lines) all += l + "\n";
  return all;
}

// text copies s into a buffer and returns the size needed for all of it.
size_t text(const std::string& s, char* buffer, size_t size) {
  if (size) {
    strncpy(buffer, s.c_str(), size - 1);
    buffer[size - 1] = 0;
  }
  return s.size() + 1;
}

void leaks(std::vector<std::string>* out) {
  for (auto& [p, b] : g->memory_blocks)
    out->push_back(fake_format("%zu bytes of %s memory are not freed", b.bytes, b.device < 0 ? "pinned host" : "device"));
  std::map<std::string, int> kinds;
  for (Object* o : g->live)
    if (!dynamic_cast<Function*>(o) && !(dynamic_cast<Context*>(o) && !((Context*)o)->retained)) kinds[o->kind]++;
  for (auto& [kind, n] : kinds) out->push_back(fake_format("left behind: %d x %s", n, kind.c_str()));
}

}  // namespace

// ---- the functions of fake.h

std::string fake_format(const char* format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  return line;
}

void fake_problem(const char* format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (g->problems.size() < 100) g->problems.push_back(line);
  if (getenv("GOCAFFE_FAKE_STDERR")) fprintf(stderr, "fake CUDA: %s\n", line);
}

void fake_keep(Object* o) {
  o->device = current ? current->device : -1;
  o->number = ++g->objects;
  g->live.insert(o);
}

Object* fake_object(void* handle, const char* call, const char* kind) {
  Object* o = (Object*)handle;
  if (g->live.count(o) && !strcmp(o->kind, kind)) return o;
  fake_problem("%s: not a %s, or one that was destroyed", call, kind);
  return nullptr;
}

void fake_destroy(Object* o) {
  g->live.erase(o);
  delete o;
}

bool fake_context() { return current && g->live.count(current); }

int fake_enter(const char* call, const std::string& args) {
  const int number = ++g->counts[call];
  if (g->log) g->calls.push_back(std::string(call) + "(" + args + ")");
  for (auto& r : g->rules)
    if (r.call == call && r.number == number) return r.code;
  if (g->uncapturable == call)
    for (Object* o : g->live) {
      Stream* s = dynamic_cast<Stream*>(o);
      if (!s || !s->capture) continue;
      s->capture->bad = true;
      return !strncmp(call, "cublas", 6) ? 14 : !strncmp(call, "cudnn", 5) ? 8 : int(CAPTURE_UNSUPPORTED);
    }
  if (!g->initialized && strcmp(call, "cuInit") && strcmp(call, "cuDriverGetVersion") && strncmp(call, "cu", 2) == 0 &&
      strncmp(call, "cublas", 6) && strncmp(call, "cudnn", 5))
    return NOT_INITIALIZED;
  if (g->initialized) advance();
  return 0;
}

int fake_push(CUstream handle, const std::string& name, std::function<int()> work) {
  STREAM(s, handle, name.c_str());
  return push(s, {name, std::move(work)});
}

bool fake_check(const char* call, const void* p, size_t bytes) { return device_range(call, p, bytes) != nullptr; }

// ---- for tests

API void fake_configure(const char* text) {
  std::lock_guard<std::recursive_mutex> lock(fake_mutex);
  configure(text);
}

// fake_reset restores the initial state.
API void fake_reset() {
  std::lock_guard<std::recursive_mutex> lock(fake_mutex);
  std::vector<uintptr_t> all;
  for (auto& [p, b] : g->memory_blocks) all.push_back(p);
  for (uintptr_t p : all) give(p);
  for (auto& b : g->quarantine) munmap(b.map, b.mapped);
  for (Object* o : g->live) delete o;
  delete g;
  g = new State;
  fake_workspace = kWorkspace;
  gc_seed(1);
}

API size_t fake_calls(char* buffer, size_t size) {
  std::lock_guard<std::recursive_mutex> lock(fake_mutex);
  return text(join(g->calls), buffer, size);
}

API void fake_forget_calls() {
  std::lock_guard<std::recursive_mutex> lock(fake_mutex);
  g->calls.clear();
}

API size_t fake_problems(char* buffer, size_t size) {
  std::lock_guard<std::recursive_mutex> lock(fake_mutex);
  check_guards("something");
  return text(join(g->problems), buffer, size);
}

API void fake_forget_problems() {
  std::lock_guard<std::recursive_mutex> lock(fake_mutex);
  g->problems.clear();
}

API size_t fake_leaks(char* buffer, size_t size) {
  std::lock_guard<std::recursive_mutex> lock(fake_mutex);
  std::vector<std::string> lines;
  leaks(&lines);
  return text(join(lines), buffer, size);
}

// ---- the driver: devices and contexts

API int cuInit(unsigned flags) {
  ENTER("cuInit", "%u", flags);
  if (!g->devices) return NO_DEVICE;
  g->initialized = true;
  return 0;
}

API int cuDriverGetVersion(int* version) {
  ENTER("cuDriverGetVersion");
  *version = g->version;
  return 0;
}

API int cuDeviceGetCount(int* count) {
  ENTER("cuDeviceGetCount");
  *count = g->devices;
  return 0;
}

#define DEVICE(device) \
  if (device < 0 || device >= g->devices) return INVALID_DEVICE

API int cuDeviceGetName(char* name, int size, int device) {
  ENTER("cuDeviceGetName", "%d", device);
  DEVICE(device);
  snprintf(name, size, "Fake device %d", device);
  return 0;
}

API int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  ENTER("cuDeviceTotalMem_v2", "%d", device);
  DEVICE(device);
  *bytes = g->memory;
  return 0;
}

API int cuDeviceGetAttribute(int* value, int attribute, int device) {
  ENTER("cuDeviceGetAttribute", "%d, %d", attribute, device);
  DEVICE(device);
  switch (attribute) {
    case 1: *value = 1024; break;
    case 8: *value = 48 << 10; break;
    case 10: *value = 32; break;
    case 12: *value = 65536; break;
    case 13: *value = 1410000; break;
    case 16: *value = g->multiprocessors; break;
    case 17: case 18: case 20: *value = 0; break;
    case 36: *value = 1215000; break;
    case 37: *value = 5120; break;
    case 38: *value = 40 << 20; break;
    case 75: *value = g->capability / 10; break;
    case 76: *value = g->capability % 10; break;
    case 97: *value = 163 << 10; break;
    default: return INVALID_VALUE;
  }
  return 0;
}

API int cuDevicePrimaryCtxRetain(void** context, int device) {
  ENTER("cuDevicePrimaryCtxRetain", "%d", device);
  DEVICE(device);
  Context*& c = g->primary[device];
  if (!c) {
    c = new Context;
    g->live.insert(c);
    c->device = device;
  }
  c->retained++;
  *context = c;
  return 0;
}

API int cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER("cuDevicePrimaryCtxRelease_v2", "%d", device);
  DEVICE(device);
  Context* c = g->primary[device];
  if (!c || !c->retained) {
    fake_problem("cuDevicePrimaryCtxRelease of a context that is not retained");
    return INVALID_CONTEXT;
  }
  if (--c->retained) return 0;
  drain_all();
  std::vector<uintptr_t> mine;
  for (auto& [p, b] : g->memory_blocks)
    if (b.device == device) mine.push_back(p);
  for (uintptr_t p : mine) {
    fake_problem("the context was released with %zu bytes of device memory in use", g->memory_blocks[p].bytes);
    give(p);
  }
  g->used[device] = 0;
  std::vector<Object*> objects;
  for (Object* o : g->live)
    if (o->device == device && o != c) objects.push_back(o);
  for (Object* o : objects) {
    if (!dynamic_cast<Function*>(o)) fake_problem("the context was released with a %s", o->kind);
    destroy(o);
  }
  g->sticky = 0;
  return 0;
}

API int cuCtxSetCurrent(void* context) {
  ENTER("cuCtxSetCurrent", "%p", context);
  if (!context) {
    current = nullptr;
    return 0;
  }
  Context* c = as<Context>(context, "cuCtxSetCurrent");
  if (!c || !c->retained) return INVALID_CONTEXT;
  current = c;
  return 0;
}

API int cuCtxSynchronize() {
  ENTER("cuCtxSynchronize");
  CONTEXT();
  UNSAFE("cuCtxSynchronize");
  drain_all();
  return g->sticky;
}

// ---- streams and events

API int cuStreamCreate(void** stream, unsigned flags) {
  ENTER("cuStreamCreate", "%u", flags);
  CONTEXT();
  *stream = make(new Stream);
  return g->sticky;
}

API int cuStreamDestroy_v2(void* handle) {
  ENTER("cuStreamDestroy_v2");
  CONTEXT();
  Stream* s = as<Stream>(handle, "cuStreamDestroy");
  if (!s) return INVALID_HANDLE;
  drain(s);
  destroy(s);
  return 0;
}

API int cuStreamSynchronize(void* handle) {
  ENTER("cuStreamSynchronize");
  CONTEXT();
  STREAM(s, handle, "cuStreamSynchronize");
  if (s->capture) {
    s->capture->bad = true;
    fake_problem("cuStreamSynchronize of a captured stream");
    return CAPTURE_UNSUPPORTED;
  }
  drain(s);
  return g->sticky;
}

API int cuEventCreate(void** event, unsigned flags) {
  ENTER("cuEventCreate", "%u", flags);
  CONTEXT();
  Event* e = make(new Event);
  e->timing = !(flags & 2);
  *event = e;
  return g->sticky;
}

API int cuEventDestroy_v2(void* handle) {
  ENTER("cuEventDestroy_v2");
  CONTEXT();
  Event* e = as<Event>(handle, "cuEventDestroy");
  if (!e) return INVALID_HANDLE;
  while (e->done < e->recorded) {  // waiters still depend on what was recorded
    const uint64_t before = e->done;
    drain_all();
    if (e->done == before) break;
  }
  destroy(e);
  return 0;
}

API int cuEventRecord(void* event, void* stream) {
  ENTER("cuEventRecord");
  CONTEXT();
  STREAM(s, stream, "cuEventRecord");
  Event* e = as<Event>(event, "cuEventRecord");
  if (!e) return INVALID_HANDLE;
  e->capture = s->capture;
  e->after.clear();
  if (s->capture) {
    e->after.insert(s);
    return 0;
  }
  const uint64_t version = ++e->recorded;
  return push(s, {"event", [e, version] {
                    e->done = version;
                    e->time = now();
                    return 0;
                  }});
}

API int cuStreamWaitEvent(void* stream, void* event, unsigned flags) {
  ENTER("cuStreamWaitEvent", "%u", flags);
  CONTEXT();
  STREAM(s, stream, "cuStreamWaitEvent");
  Event* e = as<Event>(event, "cuStreamWaitEvent");
  if (!e) return INVALID_HANDLE;
  if (e->capture) {
    if (!s->capture) s->capture = e->capture;  // s joins the capture
    for (Stream* other : e->after) other->unjoined = false;
    if (!s->origin) s->unjoined = true;
    return 0;
  }
  if (s->capture) {
    fake_problem("a captured stream waits for an event that was not recorded in the capture");
    s->capture->bad = true;
    return CAPTURE_UNSUPPORTED;
  }
  if (!e->recorded) return 0;
  Op op{"wait", [] { return 0; }, e, e->recorded};
  if (s == &g->null_stream) {
    drain_all();
    return g->sticky;
  }
  return push(s, std::move(op));
}

API int cuEventSynchronize(void* event) {
  ENTER("cuEventSynchronize");
  CONTEXT();
  Event* e = as<Event>(event, "cuEventSynchronize");
  if (!e) return INVALID_HANDLE;
  if (e->capture) return CAPTURE_UNSUPPORTED;
  while (e->done < e->recorded && !g->sticky) {
    const std::vector<Stream*> all = streams();
    if (all.empty()) break;
    step(all[random_bits() % all.size()]);
  }
  return g->sticky;
}

API int cuEventQuery(void* event) {
  ENTER("cuEventQuery");
  CONTEXT();
  Event* e = as<Event>(event, "cuEventQuery");
  if (!e) return INVALID_HANDLE;
  if (e->capture) return CAPTURE_UNSUPPORTED;
  if (g->sticky) return g->sticky;
  if (e->done == e->recorded) return 0;
  for (Stream* s : streams()) step(s);  // so that repeated queries see it done
  return NOT_READY;
}

API int cuEventElapsedTime(float* ms, void* start, void* end) {
  ENTER("cuEventElapsedTime");
  CONTEXT();
  Event *a = as<Event>(start, "cuEventElapsedTime"), *b = as<Event>(end, "cuEventElapsedTime");
  if (!a || !b || !a->timing || !b->timing || !a->recorded || !b->recorded) return INVALID_HANDLE;
  if (a->done < a->recorded || b->done < b->recorded) return NOT_READY;
  *ms = float(b->time - a->time);
  return g->sticky;
}

// ---- memory

API int cuMemAlloc_v2(void** p, size_t bytes) {
  ENTER("cuMemAlloc_v2", "%zu", bytes);
  CONTEXT();
  UNSAFE("cuMemAlloc");
  if (g->sticky) return g->sticky;
  if (!bytes) return INVALID_VALUE;
  uint64_t& used = g->used[current->device];
  if (bytes > g->memory || used > g->memory - bytes) return OUT_OF_MEMORY;
  *p = take(bytes, current->device);
  if (!*p) return OUT_OF_MEMORY;
  used += bytes;
  return 0;
}

int free_block(const char* call, void* p, bool pinned) {
  auto it = g->memory_blocks.find((uintptr_t)p);
  if (it == g->memory_blocks.end() || (it->second.device < 0) != pinned) {
    if (g->freed.count((uintptr_t)p)) fake_problem("%s: freed twice", call);
    else fake_problem("%s: %p is not the start of such memory", call, p);
    return INVALID_VALUE;
  }
  drain_all();
  if (!intact(it->first, it->second)) fake_problem("%s: something wrote outside the %zu bytes", call, it->second.bytes);
  if (!pinned) g->used[it->second.device] -= it->second.bytes;
  give(it->first);
  return 0;
}

API int cuMemFree_v2(void* p) {
  ENTER("cuMemFree_v2");
  CONTEXT();
  UNSAFE("cuMemFree");
  if (!p) return 0;
  return free_block("cuMemFree", p, false);
}

API int cuMemGetInfo_v2(size_t* free, size_t* total) {
  ENTER("cuMemGetInfo_v2");
  CONTEXT();
  *total = g->memory;
  *free = g->memory - g->used[current->device];
  return 0;
}

API int cuMemHostAlloc(void** p, size_t bytes, unsigned flags) {
  ENTER("cuMemHostAlloc", "%zu, %u", bytes, flags);
  CONTEXT();
  UNSAFE("cuMemHostAlloc");
  if (!bytes) return INVALID_VALUE;
  *p = take(bytes, -1);
  return *p ? g->sticky : OUT_OF_MEMORY;
}

API int cuMemFreeHost(void* p) {
  ENTER("cuMemFreeHost");
  CONTEXT();
  UNSAFE("cuMemFreeHost");
  return free_block("cuMemFreeHost", p, true);
}

API int cuMemsetD32Async(void* p, unsigned value, size_t n, void* stream) {
  ENTER("cuMemsetD32Async", "%u, %zu", value, n);
  CONTEXT();
  STREAM(s, stream, "cuMemsetD32Async");
  if ((uintptr_t)p % 4 || !device_range("cuMemsetD32Async", p, 4 * n)) return INVALID_VALUE;
  return push(s, {"memset", [=] {
                    if (!device_range("cuMemsetD32Async", p, 4 * n)) return int(ILLEGAL_ADDRESS);
                    for (size_t i = 0; i < n; i++) ((unsigned*)p)[i] = value;
                    return 0;
                  }});
}

API int cuMemcpyHtoD_v2(void* dst, const void* src, size_t bytes) {
  ENTER("cuMemcpyHtoD_v2", "%zu", bytes);
  CONTEXT();
  UNSAFE("cuMemcpyHtoD");
  if (!device_range("cuMemcpyHtoD", dst, bytes)) return INVALID_VALUE;
  memcpy(dst, src, bytes);
  return g->sticky;
}

API int cuMemcpyDtoH_v2(void* dst, const void* src, size_t bytes) {
  ENTER("cuMemcpyDtoH_v2", "%zu", bytes);
  CONTEXT();
  UNSAFE("cuMemcpyDtoH");
  if (!device_range("cuMemcpyDtoH", src, bytes)) return INVALID_VALUE;
  memcpy(dst, src, bytes);
  return g->sticky;
}

API int cuMemcpyDtoD_v2(void* dst, const void* src, size_t bytes) {
  ENTER("cuMemcpyDtoD_v2", "%zu", bytes);
  CONTEXT();
  UNSAFE("cuMemcpyDtoD");
  if (!device_range("cuMemcpyDtoD", dst, bytes) || !device_range("cuMemcpyDtoD", src, bytes)) return INVALID_VALUE;
  memmove(dst, src, bytes);
  return g->sticky;
}

int copy_async(const char* call, void* dst, bool dst_pinned, const void* src, bool src_pinned, size_t bytes, void* stream) {
  CONTEXT();
  STREAM(s, stream, call);
  auto valid = [=] { return range(call, dst, bytes, dst_pinned) && range(call, src, bytes, src_pinned); };
  if (!valid()) return INVALID_VALUE;
  return push(s, {call, [=] {
                    if (!valid()) return int(ILLEGAL_ADDRESS);
                    memmove(dst, src, bytes);
                    return 0;
                  }});
}

API int cuMemcpyHtoDAsync_v2(void* dst, const void* src, size_t bytes, void* stream) {
  ENTER("cuMemcpyHtoDAsync_v2", "%zu", bytes);
  return copy_async("cuMemcpyHtoDAsync", dst, false, src, true, bytes, stream);
}

API int cuMemcpyDtoHAsync_v2(void* dst, const void* src, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoHAsync_v2", "%zu", bytes);
  return copy_async("cuMemcpyDtoHAsync", dst, true, src, false, bytes, stream);
}

API int cuMemcpyDtoDAsync_v2(void* dst, const void* src, size_t bytes, void* stream) {
  ENTER("cuMemcpyDtoDAsync_v2", "%zu", bytes);
  return copy_async("cuMemcpyDtoDAsync", dst, false, src, false, bytes, stream);
}

// ---- modules and kernels

API int cuModuleLoadDataEx(void** module, const char* ptx, unsigned options, const int* names, void** values) {
  ENTER("cuModuleLoadDataEx", "%zu bytes", strlen(ptx));
  CONTEXT();
  UNSAFE("cuModuleLoadDataEx");
  if (g->sticky) return g->sticky;
  std::string wrong;
  int code = 0, major = 0, minor = 0, target = 0;
  const char* v = strstr(ptx, ".version");
  const char* t = strstr(ptx, ".target");
  if (!v || sscanf(v, ".version %d.%d", &major, &minor) != 2 || !t || sscanf(t, ".target sm_%d", &target) != 1) {
    wrong = "ptxas fatal : this is not PTX: no .version or no .target";
    code = INVALID_PTX;
  } else if (major * 10 + minor > 70 + (g->version - 11000) / 10) {
    wrong = fake_format("ptxas fatal : PTX %d.%d is too new for CUDA %d.%d", major, minor, g->version / 1000, g->version % 1000 / 10);
    code = 222;
  } else if (target > g->capability) {
    wrong = fake_format("ptxas fatal : the code is for sm_%d, the device is sm_%d", target, g->capability);
    code = NO_BINARY_FOR_GPU;
  } else if (const char* instruction = too_new(ptx, target)) {
    wrong = fake_format("ptxas error : sm_%d has no %s", target, instruction);
    code = INVALID_PTX;
  }
  if (code) {
    for (unsigned i = 0; i + 1 < options; i++) {
      if (names[i] == 3) text("ptxas info : no kernel was compiled", (char*)values[i], (size_t)values[i + 1]);
      if (names[i] == 5) text(wrong + "\n", (char*)values[i], (size_t)values[i + 1]);
    }
    return code;
  }
  Module* m = make(new Module);
  m->ptx = ptx;
  *module = m;
  return 0;
}

API int cuModuleUnload(void* handle) {
  ENTER("cuModuleUnload");
  CONTEXT();
  UNSAFE("cuModuleUnload");
  Module* m = as<Module>(handle, "cuModuleUnload");
  if (!m) return INVALID_HANDLE;
  drain_all();
  for (Function* f : m->functions) destroy(f);
  destroy(m);
  return 0;
}

API int cuModuleGetFunction(void** function, void* module, const char* name) {
  ENTER("cuModuleGetFunction", "%s", name);
  CONTEXT();
  Module* m = as<Module>(module, "cuModuleGetFunction");
  if (!m) return INVALID_HANDLE;
  for (Function* f : m->functions)
    if (!strcmp(f->kernel->name, name)) {
      *function = f;
      return 0;
    }
  int max_threads = 1024;
  const int params = entry_params(m->ptx, name, &max_threads);
  if (params < 0) return NOT_FOUND;
  const gc_kernel* k = gc_find(name);
  if (!k) {
    fake_problem("kernel %s is in the PTX, but in no .cu file that was compiled for the fake", name);
    return NOT_FOUND;
  }
  if (k->params != params) {
    fake_problem("kernel %s has %d parameters in the PTX and %d in the .cu file: is the PTX old?", name, params, k->params);
    return NOT_FOUND;
  }
  const int shared = entry_shared(m->ptx, name);
  if (shared > 48 << 10) {
    fake_problem("kernel %s has %d bytes of static shared memory, the limit is 49152", name, shared);
    return INVALID_PTX;
  }
  Function* f = make(new Function);
  f->kernel = k;
  f->static_shared = shared;
  f->max_threads = max_threads;
  m->functions.push_back(f);
  *function = f;
  return 0;
}

API int cuFuncGetParamInfo(void* function, size_t i, size_t* offset, size_t* size) {
  ENTER("cuFuncGetParamInfo", "%zu", i);
  Function* f = as<Function>(function, "cuFuncGetParamInfo");
  if (!f) return INVALID_HANDLE;
  if (i >= size_t(f->kernel->params)) return INVALID_VALUE;
  *offset = f->kernel->offset[i];
  *size = f->kernel->size[i];
  return 0;
}

API int cuFuncGetAttribute(int* value, int attribute, void* function) {
  ENTER("cuFuncGetAttribute", "%d", attribute);
  CONTEXT();
  Function* f = as<Function>(function, "cuFuncGetAttribute");
  if (!f) return INVALID_HANDLE;
  switch (attribute) {
    case 0: *value = f->max_threads; break;
    case 1: *value = f->static_shared; break;
    case 3: *value = 0; break;
    case 4: *value = 32; break;
    case 8: *value = f->max_dynamic; break;
    default: return INVALID_VALUE;
  }
  return 0;
}

API int cuFuncSetAttribute(void* function, int attribute, int value) {
  ENTER("cuFuncSetAttribute", "%d, %d", attribute, value);
  CONTEXT();
  Function* f = as<Function>(function, "cuFuncSetAttribute");
  if (!f) return INVALID_HANDLE;
  if (attribute != 8 || value < 0 || value > 163 << 10) return INVALID_VALUE;
  f->max_dynamic = value;
  return 0;
}

API int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned shared, void* stream, void** params, void** extra) {
  Function* f = nullptr;
  {
    std::lock_guard<std::recursive_mutex> lock(fake_mutex);
    f = as<Function>(function, "cuLaunchKernel");
    if (!f) return INVALID_HANDLE;
  }
  ENTER("cuLaunchKernel", "%s, %u %u %u, %u %u %u, %u", f->kernel->name, gx, gy, gz, bx, by, bz, shared);
  CONTEXT();
  STREAM(s, stream, "cuLaunchKernel");
  if (g->sticky) return g->sticky;
  const gc_kernel* k = f->kernel;
  if (extra || !gx || !gy || !gz || !bx || !by || !bz || gx > 2147483647u || gy > 65535 || gz > 65535 || bx > 1024 || by > 1024 ||
      bz > 64 || uint64_t(bx) * by * bz > uint64_t(f->max_threads) || shared + f->static_shared > unsigned(f->max_dynamic)) {
    fake_problem("cuLaunchKernel: kernel %s: grid (%u,%u,%u), block (%u,%u,%u) of at most %d threads, %u bytes of shared memory of at most %d",
                 k->name, gx, gy, gz, bx, by, bz, f->max_threads, shared + f->static_shared, f->max_dynamic);
    return INVALID_VALUE;
  }
  std::vector<unsigned char> args(k->bytes + 16);
  for (int i = 0; i < k->params; i++) memcpy(&args[k->offset[i]], params[i], k->size[i]);
  return push(s, {k->name, [=]() mutable {
                    const unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
                    std::vector<unsigned char> dynamic(shared + 64, kFresh);
                    unsigned char* aligned = (unsigned char*)(((uintptr_t)dynamic.data() + 15) & ~(uintptr_t)15);
                    std::vector<unsigned char> mine(args.size() + 16);
                    unsigned char* a = (unsigned char*)(((uintptr_t)mine.data() + 15) & ~(uintptr_t)15);
                    memcpy(a, args.data(), k->bytes);
                    const char* wrong = gc_run(k, a, grid, block, aligned);
                    check_guards(std::string("kernel ") + k->name);
                    if (!*wrong) return 0;
                    fake_problem("%s", wrong);
                    return int(strstr(wrong, "illegal address") ? ILLEGAL_ADDRESS : LAUNCH_FAILED);
                  }});
}

// ---- graphs

API int cuStreamBeginCapture_v2(void* handle, int mode) {
  ENTER("cuStreamBeginCapture_v2", "%d", mode);
  CONTEXT();
  Stream* s = as<Stream>(handle, "cuStreamBeginCapture");
  if (!s) return INVALID_HANDLE;
  if (s->capture) return CAPTURE_UNSUPPORTED;
  s->capture = make(new Graph);
  s->origin = true;
  return 0;
}

API int cuStreamEndCapture(void* handle, void** graph) {
  ENTER("cuStreamEndCapture");
  CONTEXT();
  Stream* s = as<Stream>(handle, "cuStreamEndCapture");
  if (!s) return INVALID_HANDLE;
  if (!s->capture || !s->origin) return INVALID_VALUE;
  Graph* c = s->capture;
  int code = c->bad ? CAPTURE_INVALIDATED : 0;
  for (Object* o : g->live) {
    Stream* t = dynamic_cast<Stream*>(o);
    if (t && t->capture == c) {
      if (t->unjoined && !code) code = CAPTURE_UNJOINED;
      t->capture = nullptr;
      t->origin = t->unjoined = false;
    }
    Event* e = dynamic_cast<Event*>(o);
    if (e && e->capture == c) e->capture = nullptr;
  }
  *graph = nullptr;
  if (code) destroy(c);
  else *graph = c;
  return code;
}

API int cuGraphInstantiate_v2(void** exec, void* graph, void** node, char* log, size_t size) {
  ENTER("cuGraphInstantiate_v2");
  CONTEXT();
  (void)node;
  if (size) *log = 0;
  Graph* c = as<Graph>(graph, "cuGraphInstantiate");
  if (!c) return INVALID_HANDLE;
  GraphExec* x = make(new GraphExec);
  x->ops = c->ops;
  *exec = x;
  return g->sticky;
}

API int cuGraphLaunch(void* exec, void* stream) {
  ENTER("cuGraphLaunch");
  CONTEXT();
  STREAM(s, stream, "cuGraphLaunch");
  GraphExec* x = as<GraphExec>(exec, "cuGraphLaunch");
  if (!x) return INVALID_HANDLE;
  if (g->sticky) return g->sticky;
  for (const Op& op : x->ops)
    if (int code = push(s, op)) return code;
  return 0;
}

API int cuGraphDestroy(void* graph) {
  ENTER("cuGraphDestroy");
  Graph* c = as<Graph>(graph, "cuGraphDestroy");
  if (!c) return INVALID_HANDLE;
  destroy(c);
  return 0;
}

API int cuGraphExecDestroy(void* exec) {
  ENTER("cuGraphExecDestroy");
  GraphExec* x = as<GraphExec>(exec, "cuGraphExecDestroy");
  if (!x) return INVALID_HANDLE;
  destroy(x);
  return 0;
}
