// fake.h: what the parts of the fake driver share.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#define API extern "C" __attribute__((visibility("default")))

typedef void* CUstream;

// fake_mutex is held by every function of the libraries while it runs.
extern std::recursive_mutex fake_mutex;

// fake_enter counts and logs a call; not zero: the call is to fail with it.
int fake_enter(const char* call, const std::string& args);

// fake_push puts work into a stream (into its graph if it is captured).
int fake_push(CUstream stream, const std::string& name, std::function<int()> work);

// fake_check says whether bytes at p lie in one live piece of device memory.
bool fake_check(const char* call, const void* p, size_t bytes);

// Every handle points to an Object; those that are not destroyed are known.
struct Object {
  const char* kind;
  int device = -1;
  uint64_t number = 0;  // in the order of creation
  explicit Object(const char* k) : kind(k) {}
  virtual ~Object() {}
};
void fake_keep(Object* o);             // from now on it is a handle
Object* fake_object(void* handle, const char* call, const char* kind);  // null: there is none
void fake_destroy(Object* o);
bool fake_context();                   // whether a context is current

// fake_workspace is what the faster of cuDNN's deterministic algorithms needs, in
// bytes: the setting workspace.
extern uint64_t fake_workspace;

// fake_problem notes a mistake of the program under test.
void fake_problem(const char* format, ...) __attribute__((format(printf, 1, 2)));

// ENTER begins each function of the API.
#define ENTER(call, ...)                              \
  std::lock_guard<std::recursive_mutex> lock(fake_mutex); \
  if (int code = fake_enter(call, fake_format(__VA_ARGS__))) return code

inline std::string fake_format() { return {}; }
std::string fake_format(const char* format, ...) __attribute__((format(printf, 1, 2)));
