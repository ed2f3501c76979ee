// fake.h: declarations shared by the parts of the fake driver.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#define API extern "C" __attribute__((visibility("default")))

typedef void* CUstream;

// fake_mutex is locked while a function of the libraries runs.
extern std::recursive_mutex fake_mutex;

// fake_enter counts and logs a call. If the result is not zero, the call must fail
// with it.
int fake_enter(const char* call, const std::string& args);

// fake_push queues work in a stream, or adds it to the graph of a captured one.
int fake_push(CUstream stream, const std::string& name, std::function<int()> work);

// fake_check returns whether the bytes at p are in one live block of device memory.
bool fake_check(const char* call, const void* p, size_t bytes);

// Every handle points to an Object. The set of those that are not destroyed is kept.
struct Object {
  const char* kind;
  int device = -1;
  uint64_t number = 0;  // in the order of creation
  explicit Object(const char* k) : kind(k) {}
  virtual ~Object() {}
};
void fake_keep(Object* o);             // makes it a handle
Object* fake_object(void* handle, const char* call, const char* kind);  // null if there is none
void fake_destroy(Object* o);
bool fake_context();                   // returns whether a context is current

// fake_workspace is the number of bytes that the faster deterministic algorithm of
// cuDNN needs: the setting workspace.
extern uint64_t fake_workspace;

// fake_problem records a mistake of the program under test.
void fake_problem(const char* format, ...) __attribute__((format(printf, 1, 2)));

// ENTER is the start of each function of the API.
#define ENTER(call, ...)                              \
  std::lock_guard<std::recursive_mutex> lock(fake_mutex); \
  if (int code = fake_enter(call, fake_format(__VA_ARGS__))) return code

inline std::string fake_format() { return {}; }
std::string fake_format(const char* format, ...) __attribute__((format(printf, 1, 2)));
